import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createChaos, type Chaos } from '../../../simulator/chaos.ts';
import { CHAOS_RATES, type ChaosKind, type ChaosRates } from '../../../simulator/chaos-rates.ts';
import { applyFault, type Answer, type Fault } from '../../../simulator/fault.ts';
import { findKlineTopic, toKlinePush, type KlinePush } from '../../../simulator/kline-push.ts';
import { RequestParameters } from '../../../simulator/request-parameters.ts';
import { createRoutes } from '../../../simulator/routes.ts';
import { DEFAULT_MARKETS } from '../../../simulator/symbol-catalogue.ts';
import { createVenue } from '../../../simulator/venue.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const NOW = Date.UTC(2026, 8, 1, 10, 20, 30);
const venue = createVenue({ seed: 'test', markets: DEFAULT_MARKETS, recorded: [] });
const routes = createRoutes(venue);
const NONE = Object.fromEntries(Object.keys(CHAOS_RATES).map((kind) => [kind, 0])) as ChaosRates;

type Query = Record<string, string>;
type Row = (string | number)[];

/** A chaotic exchange without a network; `only` switches every other kind off. */
class Stage {
  nowMs = NOW;
  readonly chaos: Chaos;

  constructor(options: { seed?: string; only?: Partial<ChaosRates>; rates?: Partial<ChaosRates> } = {}) {
    const { seed = 'unit', only, rates } = options;
    this.chaos = createChaos({
      seed,
      clock: { now: () => this.nowMs },
      rates: only === undefined ? { ...rates } : { ...NONE, ...only },
    });
  }

  ask(path: string, query: Query): { answer: Answer; fault: Fault | undefined } {
    const search = new URLSearchParams(query);
    const fault = this.chaos.intercept({ method: 'GET', path, query: search, address: '127.0.0.1' });
    const body = routes.get(path)!.answer(new RequestParameters(search), this.nowMs);
    return { answer: applyFault({ status: 200, headers: {}, body }, fault), fault };
  }

  candles(query: Query = {}): Row[] {
    return this.ask('/api/v3/klines', { symbol: 'BTCUSDT', interval: '1m', limit: '100', ...query }).answer
      .body as Row[];
  }

  symbols(): string[] {
    const { body } = this.ask('/api/v3/exchangeInfo', {}).answer;
    return (body as { symbols: { symbol: string }[] }).symbols.map(({ symbol }) => symbol);
  }
}

const truthOf = (nowMs: number, limit = 100): Row[] =>
  venue.spot
    .get('BTCUSDT')!
    .klines.listKlines({ interval: '1m', startMs: null, endMs: null, limit, nowMs }) as unknown as Row[];

describe('chaos', () => {
  it('does nothing where every rate is nought, and nothing after it was stopped', () => {
    const quiet = new Stage({ only: {} });
    assert.deepEqual(quiet.candles(), truthOf(NOW));
    const wild = new Stage({ rates: { serverError: 1, banned: 1, vanished: 1, late: 1 } });
    wild.chaos.stop();
    for (let ask = 0; ask < 50; ask++, wild.nowMs += MINUTE) assert.deepEqual(wild.candles(), truthOf(wild.nowMs));
    assert.ok(wild.symbols().includes('BTCUSDT'));
    assert.ok(Object.values(wild.chaos.counts).every((count) => count === 0));
  });

  it('does every kind in a day, the same for the same seed and another for another', () => {
    const run = (seed: string) => {
      const stage = new Stage({ seed });
      const seen: string[] = [];
      for (let ask = 0; ask < 5_760; ask++, stage.nowMs += 15_000) {
        const path = ask % 40 === 0 ? '/api/v3/time' : ask % 40 === 1 ? '/api/v3/exchangeInfo' : '/api/v3/klines';
        const { answer } = stage.ask(
          path,
          path.endsWith('klines') ? { symbol: 'BTCUSDT', interval: '1m', limit: '20' } : {},
        );
        seen.push(`${answer.status}${JSON.stringify(answer.body).length}`);
      }
      for (let n = 0; n < 50; n++) stage.chaos.streamFaults.fateOf(n);
      for (const row of truthOf(stage.nowMs, 800)) stage.chaos.streamFaults.replace(toPush(row, Number(row[6]) + 20));
      return { seen: seen.join(), counts: stage.chaos.counts };
    };
    const one = run('a');
    for (const [kind, count] of Object.entries(one.counts)) assert.ok(count > 0, `${kind} never happened`);
    assert.deepEqual(run('a'), one);
    assert.notEqual(run('b').seen, one.seen);
  });

  it('withholds and revises young candles in every answer, and never old ones', () => {
    const stage = new Stage({ only: { late: 0.3, revised: 0.3 } });
    const before = JSON.stringify(stage.candles());
    assert.equal(JSON.stringify(stage.candles()), before, 'two answers of one moment agree');
    const truth = truthOf(NOW);
    const isYoung = (row: Row) => Number(row[6]) + 1 + 5 * MINUTE > NOW && Number(row[6]) < NOW;
    const sent = new Map(stage.candles().map((row) => [row[0], row]));
    for (const row of truth.filter((row) => !isYoung(row))) assert.deepEqual(sent.get(row[0]), row);
    let [withheld, revised] = [0, 0];
    for (let minute = 0; minute < 60; minute++, stage.nowMs += MINUTE) {
      const rows = new Map(stage.candles({ limit: '4' }).map((row) => [row[0], row]));
      for (const row of truthOf(stage.nowMs, 4).slice(0, -1)) {
        const found = rows.get(row[0]);
        if (found === undefined) withheld++;
        else if (JSON.stringify(found) !== JSON.stringify(row)) {
          revised++;
          const [, open, high, low, close, volume] = found.map(Number);
          assert.ok(low! <= Math.min(open!, close!) && high! >= Math.max(open!, close!) && volume! > 0);
        }
      }
    }
    assert.ok(withheld > 20 && revised > 20, `${withheld} withheld, ${revised} revised`);
    stage.nowMs += 10 * MINUTE;
    assert.deepEqual(stage.candles({ limit: '60' }).slice(0, 50), truthOf(stage.nowMs, 60).slice(0, 50));
  });

  it('harms an old row in one answer at most, so that a second answer proves what is there', () => {
    const stage = new Stage({
      only: { missing: 0.5, misaligned: 0.3, impossible: 0.3, disputed: 0.3, reordered: 0.3, duplicated: 0.3 },
    });
    const query = { endTime: String(NOW - HOUR) };
    const truth = venue.spot.get('BTCUSDT')!.klines.listKlines({
      interval: '1m',
      startMs: null,
      endMs: NOW - HOUR,
      limit: 100,
      nowMs: NOW,
    }) as unknown as Row[];
    const harmed = new Map<number, number>();
    for (let ask = 0; ask < 400; ask++) {
      const sent = stage.candles(query);
      for (const row of truth) {
        const same = sent.filter(([openMs]) => openMs === row[0]).map((found) => JSON.stringify(found));
        if (new Set(same).size === 1 && same[0] === JSON.stringify(row)) continue;
        harmed.set(Number(row[0]), (harmed.get(Number(row[0])) ?? 0) + 1);
      }
    }
    assert.ok(harmed.size > 50, `${harmed.size} rows were harmed`);
    assert.ok([...harmed.values()].every((times) => times === 1));
    assert.ok(!harmed.has(Number(truth[0]![0])) && !harmed.has(Number(truth.at(-1)![0])), 'the edges stay');
    for (const kind of ['missing', 'misaligned', 'impossible', 'disputed', 'reordered', 'duplicated'] as const)
      assert.ok(stage.chaos.counts[kind] > 2, `${kind}: ${stage.chaos.counts[kind]}`);
  });

  it('breaks statistics and funding likewise, but funding is never late', () => {
    const stage = new Stage({ only: { late: 1, missing: 1 } });
    const endTime = String(NOW);
    const statistics = () =>
      stage.ask('/futures/data/openInterestHist', { symbol: 'BTCUSDT', period: '5m', limit: '50', endTime }).answer
        .body as { timestamp: number }[];
    assert.equal(statistics().at(-1)?.timestamp, NOW - 30_000 - 5 * MINUTE, 'the newest five minutes are withheld');
    assert.ok(statistics().length < 49);
    stage.nowMs = Date.UTC(2026, 8, 1, 16, 0, 30);
    const funding = () =>
      (
        stage.ask('/fapi/v1/fundingRate', { symbol: 'BTCUSDT', limit: '10' }).answer.body as { fundingTime: number }[]
      ).map(({ fundingTime }) => Math.floor(fundingTime / HOUR) * HOUR);
    const [one, two] = [funding(), funding()];
    assert.deepEqual([one.at(-1), two.at(-1)], [stage.nowMs - 30_000, stage.nowMs - 30_000]);
    assert.ok(one.length < 10);
    assert.equal(new Set([...one, ...two, ...funding(), ...funding(), ...funding()]).size, 10);
  });

  it('bans for minutes, says until when, and counts who does not listen', () => {
    const stage = new Stage({ only: { banned: 1 } });
    // Where a window begins: two of them follow.
    stage.nowMs = Date.UTC(2026, 8, 1, 10, 30);
    const bans: number[] = [];
    for (let ask = 0; ask < 720; ask++, stage.nowMs += 5_000) {
      const { answer } = stage.ask('/api/v3/time', {});
      if (answer.status !== 418) continue;
      const until = Number(/banned until (\d+)\./.exec((answer.body as { msg: string }).msg)?.[1]);
      const header = answer.headers['retry-after'];
      if (header !== undefined) assert.equal(Number(header), Math.ceil((until - stage.nowMs) / 1000));
      if (!bans.includes(until)) bans.push(until);
      assert.ok(until > stage.nowMs && until <= stage.nowMs + 4 * MINUTE);
    }
    assert.deepEqual([bans.length, stage.chaos.counts.banned], [2, 2]);
    assert.ok(stage.chaos.ignored.banned >= 40);
  });

  it('throttles with and without Retry-After', () => {
    const headersOf = (only: Partial<ChaosRates>) => {
      const stage = new Stage({ only });
      const headers = new Set<string>();
      for (let ask = 0; ask < 600; ask++, stage.nowMs += 1_000) {
        const { answer } = stage.ask('/api/v3/time', {});
        if (answer.status === 429) headers.add(typeof answer.headers['retry-after']);
      }
      return { headers: [...headers], ignored: stage.chaos.ignored.throttled > 0 };
    };
    assert.deepEqual(headersOf({ throttled: 1 }), { headers: ['string'], ignored: true });
    assert.deepEqual(headersOf({ throttledBare: 1 }), { headers: ['undefined'], ignored: false });
    assert.deepEqual(headersOf({ tooMany: 1 }), { headers: ['undefined'], ignored: false });
  });

  it('lets a symbol vanish from everything for some minutes', () => {
    const stage = new Stage({ only: { vanished: 1 } });
    stage.nowMs = Date.UTC(2026, 8, 1, 10, 30);
    let gone = 0;
    for (let minute = 0; minute < 30; minute++, stage.nowMs += MINUTE) {
      const isGone = !stage.symbols().includes('BTCUSDT');
      if (isGone) gone++;
      const { status, body } = stage.ask('/api/v3/klines', { symbol: 'BTCUSDT', interval: '1m' }).answer;
      assert.equal(status, isGone ? 400 : 200);
      if (isGone) assert.equal((body as { code: number }).code, -1121);
      const push = toPush(truthOf(stage.nowMs)[0]!, stage.nowMs);
      assert.equal(stage.chaos.streamFaults.replace(push).length, isGone ? 0 : 1);
    }
    assert.ok(gone >= 1 && gone <= 6, `gone for ${gone} minutes`);
    assert.equal(stage.symbols().length, venue.spot.size);
  });

  it('tells a wrong time by minutes, in single answers', () => {
    const stage = new Stage({ only: { wrongTime: 0.3, wrongDate: 0.3 } });
    const offs = Array.from({ length: 200 }, () => {
      const { headers, body } = stage.ask('/api/v3/time', {}).answer;
      const date = headers['date'] === undefined ? 0 : Date.parse(headers['date']) - NOW;
      return [(body as { serverTime: number }).serverTime - NOW, date];
    });
    for (const column of [0, 1]) {
      const wrong = offs.map((row) => row[column]!).filter((off) => off !== 0);
      assert.ok(wrong.length > 30 && wrong.length < 100, `${wrong.length} wrong ones`);
      assert.ok(wrong.every((off) => Math.abs(off) >= 59_000 && Math.abs(off) <= 20 * MINUTE + 1_000));
      assert.ok(wrong.some((off) => off < 0) && wrong.some((off) => off > 0));
    }
  });

  const push = toPush(truthOf(NOW - 10 * MINUTE, 2)[0]!, NOW - 10 * MINUTE);
  const replaced = (only: Partial<ChaosRates>) => new Stage({ only }).chaos.streamFaults.replace(push);

  it('skips, repeats, delays and revises closed candles on streams, and leaves those in progress', () => {
    assert.deepEqual(replaced({}), [{ push, delayMs: 0 }]);
    assert.deepEqual(replaced({ streamSkipped: 1 }), []);
    assert.deepEqual(
      replaced({ streamRepeated: 1 }).map((sent) => sent.push),
      [push, push],
    );
    const [late] = replaced({ streamDelayed: 1 });
    assert.ok(late!.delayMs >= MINUTE && late!.push === push, 'the next one comes first');
    const [first, second] = replaced({ streamRevised: 1 });
    assert.ok(first!.push.k.v !== push.k.v && first!.push.k.x && second!.push === push && second!.delayMs > 0);
    const open = { ...push, k: { ...push.k, x: false } };
    const wild = new Stage({ only: { streamSkipped: 1, revised: 1 } });
    assert.deepEqual(wild.chaos.streamFaults.replace(open), [{ push: open, delayMs: 0 }]);
  });

  it('revises the same candles to the same values on streams and over REST', () => {
    const stage = new Stage({ only: { revised: 0.5 } });
    const truth = truthOf(NOW, 6).slice(1, -1);
    const overRest = new Map(stage.candles({ limit: '6' }).map((row) => [row[0], row]));
    for (const row of truth) {
      const [sent] = stage.chaos.streamFaults.replace(toPush(row, Number(row[6]) + 20));
      assert.deepEqual([sent!.push.k.c, sent!.push.k.v], overRest.get(row[0])!.slice(4, 6));
    }
    assert.ok(truth.some((row) => overRest.get(row[0])![5] !== row[5]));
  });

  it('refuses, breaks and silences connections until it is stopped', () => {
    const fate = (kind: ChaosKind) => {
      const stage = new Stage({ only: { [kind]: 1 } });
      return { stage, fate: stage.chaos.streamFaults.fateOf(0) };
    };
    assert.deepEqual(fate('streamRefused').fate, { isRefused: true });
    for (const [kind, name] of [
      ['streamDropped', 'dropAfterMs'],
      ['streamSilent', 'silentAfterMs'],
    ] as const) {
      const { stage, fate: given } = fate(kind);
      assert.ok(given[name]! >= 30_000 && given[name]! <= 15 * MINUTE);
      stage.chaos.stop();
      assert.equal(given[name], undefined);
    }
  });
});

function toPush(row: Row, sentMs: number): KlinePush {
  return toKlinePush(
    row as unknown as Parameters<typeof toKlinePush>[0],
    findKlineTopic('btcusdt@kline_1m')!,
    sentMs,
    true,
  );
}
