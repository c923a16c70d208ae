import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The fields of a candle as Binance pushes it. */
export interface PushedKline {
  readonly t: number;
  readonly T: number;
  readonly s: string;
  readonly i: string;
  readonly o: unknown;
  readonly c: unknown;
  readonly h: unknown;
  readonly l: unknown;
  readonly v: unknown;
  readonly x: boolean;
}

/** A push of the minute that opened at `openMs`, sent 20 ms after its end. */
export function pushText(openMs: number, changes: Partial<PushedKline> & { stream?: string; E?: number } = {}): string {
  const { stream, E = openMs + 60_020, ...fields } = changes;
  const kline = { t: openMs, T: openMs + 59_999, s: 'BTCUSDT', i: '1m', f: 1, L: 9, o: '2.00', c: '2.50', h: '3.10' };
  const rest = { l: '1.00', v: '7.000', n: 9, x: true, q: '1', V: '1', Q: '1', B: '0' };
  const k = { ...kline, ...rest, ...fields };
  const name = stream ?? `${k.s.toLowerCase()}@kline_${k.i}`;
  return JSON.stringify({ stream: name, data: { e: 'kline', E, s: k.s, k } });
}

interface RecordedPush {
  readonly stream: string;
  readonly data: { readonly E: number; readonly k: PushedKline };
}

/** The recorded messages of a file of ../shared/data/cryptofeed, byte for byte; null where the folder is absent. */
export function readRecorded(file: string): { text: string; push: RecordedPush }[] | null {
  const path = join(import.meta.dirname, '../../../../../shared/data/cryptofeed', file);
  if (!existsSync(path)) return null;
  const lines = readFileSync(path, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => {
    // Cut out, not written anew: the spelling of the bytes is what is tested.
    const text = line.slice(line.indexOf('"msg":') + '"msg":'.length, -1);
    return { text, push: JSON.parse(text) as RecordedPush };
  });
}
