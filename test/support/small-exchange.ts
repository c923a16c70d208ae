import type { TrueCandle } from './wire-venue.ts';

const HOUR = 3_600_000;

/** The candle of an hour, with digits of which a float would lose some; every 37th hour nothing was traded. */
function createTrueCandle(time: number): TrueCandle | null {
  const hour = time / HOUR;
  if (hour % 37 === 5) return null;
  const volume = `${(hour % 1_000) + 2_663_107}.29999999861`;
  return [time, '43493.900000000000001', '99999.10', '0.0000024520', `${43_000 + (hour % 97)}.10`, volume];
}

/** The hourly candles that opened in a range and before `nowMs`, oldest first. */
export function listTrueCandles(since: number, until: number, nowMs: number): TrueCandle[] {
  const candles: TrueCandle[] = [];
  const first = Math.ceil(since / HOUR) * HOUR;
  for (let time = first; time < until && time <= nowMs; time += HOUR) {
    const candle = createTrueCandle(time);
    if (candle) candles.push(candle);
  }
  return candles;
}

/** The full hours of a range and before `nowMs`, oldest first, `stepHours` apart. */
export function listHours(since: number, until: number, nowMs: number, stepHours = 1): number[] {
  const stepMs = stepHours * HOUR;
  const hours: number[] = [];
  for (let time = Math.ceil(since / stepMs) * stepMs; time < until && time <= nowMs; time += stepMs) hours.push(time);
  return hours;
}
