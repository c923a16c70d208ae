import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SYSTEM_CLOCK } from '../../src/clock.ts';
import { AuditRepository } from '../../src/db/repositories/audit-repository.ts';
import { overlayCoverage } from '../../src/db/repositories/overlay-coverage.ts';
import { sqlStateOf } from '../../src/errors.ts';
import { runAudit } from '../../src/jobs/run-audit.ts';
import { toSeriesCandles, type CommitEntry } from '../../src/market/commit-entry.ts';
import { candleKey, feedKey, missingRange, type CoverageKey, type CoverageRange } from '../../src/market/coverage.ts';
import type { Decimal } from '../../src/market/decimal.ts';
import { parseTimeframe, timeframeMs } from '../../src/market/timeframe.ts';
import { candleOf, seriesOf } from '../support/candles.ts';
import { withRefused } from '../support/commit-entries.ts';
import { randomFrom } from '../support/random.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const T0 = Date.UTC(2024, 2, 9);
const ALL = { since: 0, until: Date.UTC(2100, 0, 1) };
const STEPS = 40;

const KEYS: readonly CoverageKey[] = [
  candleKey(seriesOf('binance', 'BTC/USDT', '1m')),
  candleKey(seriesOf('binance', 'ETH/USDT', '1m')),
  candleKey(seriesOf('okx', 'ETH/USDT', '5m')),
  candleKey(seriesOf('okx', 'XRP/USDT', '1d')),
  feedKey('binance', 'BTC/USDT', 'mark_price'),
  feedKey('binance', 'BTC/USDT', 'open_interest'),
];

/** What is to be stored of one key, by slot. */
interface Model {
  readonly key: CoverageKey;
  readonly stepMs: number;
  readonly values: Map<number, string>;
  readonly states: Map<number, string>;
}

interface Planned {
  readonly entry: CommitEntry;
  readonly model: Model;
  readonly values: ReadonlyMap<number, string>;
  readonly states: ReadonlyMap<number, string>;
}

describeOnEachServer('commit beside a naive model', ({ kysely, repositories, clear }) => {
  it('stores what was committed, and of what failed nothing, with a ledger that an audit finds true', async () => {
    await clear();
    const seed = Number(process.env['COMMIT_SEED'] ?? Date.now() % 1_000_000);
    const named = `COMMIT_SEED=${seed}`;
    const random = randomFrom(seed);
    const pick = (below: number) => Math.floor(random() * below);
    const models = KEYS.map((key): Model => {
      const stepMs = timeframeMs(parseTimeframe(key.timeframe));
      return { key, stepMs, values: new Map(), states: new Map() };
    });
    let rewritten = 0;
    let refused = 0;

    function plan(model: Model): Planned {
      const { key, stepMs } = model;
      const count = key.metric === 'ohlcv' && pick(12) === 0 ? 8000 : 1 + pick(40);
      const first = pick(count > 5000 ? 2 : 200);
      const [values, states] = [new Map<number, string>(), new Map<number, string>()];
      const changes: CoverageRange[] = [];
      for (let index = first; index < first + count; index++) {
        const since = T0 + index * stepMs;
        const isGiven = pick(10) < 7;
        if (isGiven) values.set(since, String(2 + pick(3)));
        const state = isGiven || model.values.has(since) ? 'have' : pick(2) === 0 ? 'missing' : 'confirmed_empty';
        states.set(since, state);
        const evidence = { asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
        changes.push({ since, until: since + stepMs, state, ...evidence });
      }
      const rows = [...values].map(([timestamp, value]) =>
        key.metric === 'ohlcv'
          ? candleOf(timestamp, ['1', '9', '1', value, '1'])
          : { timestamp, [key.metric]: value as Decimal },
      );
      if (pick(2) === 0) rows.reverse();
      // As one who judges them does, or slot by slot.
      const told = pick(2) === 0 ? changes : overlayCoverage([], changes);
      const entry = { key, rows, changes: told, quarantine: [] };
      return { entry: withRefused(entry, pick(4)), model, values, states };
    }

    /** Commits all of it, or breaks one part and sees all of it refused; answers what was stored. */
    async function commitOrBreak(planned: readonly Planned[]) {
      const entries = planned.map(({ entry }) => entry);
      const at = pick(entries.length);
      const [broken, rest] = [entries[at]!, entries.toSpliced(at, 1)];
      const kind = pick(8);
      if (kind === 0) {
        await assert.rejects(repositories().commit([...entries, broken]), { code: 'COMMIT_INVALID' });
        return null;
      }
      if (kind === 1) {
        // Behind the door, where rows are written already: no text of PostgreSQL holds this.
        const since = broken.changes.at(-1)!.until;
        const change = missingRange({ since, until: since + planned[at]!.model.stepMs });
        const entry = { ...broken, changes: [...broken.changes, { ...change, reason: '\0' }] };
        await assert.rejects(
          repositories().commit([...rest, entry]),
          (error) => sqlStateOf(error) === '22021',
          `${named}: a text that is none`,
        );
        return null;
      }
      return await repositories().commit(entries);
    }

    for (let step = 0; step < STEPS; step++) {
      // Each key has one owner, and owners commit side by side.
      const owned: Planned[][] = [[], [], []];
      for (const model of models) if (pick(3) > 0) owned[pick(3)]!.push(plan(model));
      const groups = owned.filter((group) => group.length > 0);
      const outcomes = await Promise.all(groups.map(commitOrBreak));
      const sum = { inserted: 0, updated: 0, unchanged: 0, changes: 0 };
      const expected = { ...sum };
      // Both feeds have their values in the same rows.
      const hours = new Set(models.slice(4).flatMap(({ values }) => [...values.keys()]));
      for (const [index, outcome] of outcomes.entries()) {
        if (!outcome) continue;
        sum.inserted += outcome.inserted;
        sum.updated += outcome.updated;
        sum.unchanged += outcome.unchanged;
        sum.changes += outcome.changes.length;
        for (const { entry, model, values, states } of groups[index]!) {
          refused += entry.quarantine.length;
          for (const [slot, state] of states) model.states.set(slot, state);
          const isOfCandles = model.key.metric === 'ohlcv';
          for (const [slot, value] of values) {
            const before = model.values.get(slot);
            if (isOfCandles ? before === undefined : !hours.has(slot)) expected.inserted++;
            else if (before === value) expected.unchanged++;
            else {
              expected.updated++;
              if (isOfCandles) expected.changes++;
            }
            model.values.set(slot, value);
            if (!isOfCandles) hours.add(slot);
          }
        }
      }
      rewritten += expected.changes;
      assert.deepEqual(sum, expected, `${named}, step ${step}`);
    }

    for (const { key, stepMs, values, states } of models) {
      const ranges = await repositories().coverage.list(key);
      assert.deepEqual(ranges, overlayCoverage(ranges, []), `${named}: neighbours that are not joined`);
      const told = ranges.flatMap(({ since, until, state }) =>
        Array.from({ length: (until - since) / stepMs }, (_, index) => [since + index * stepMs, state] as const),
      );
      assert.deepEqual(new Map(told), new Map(sorted(states)), `${named}: the ledger of ${JSON.stringify(key)}`);
      const series = toSeriesCandles({ key, rows: [candleOf(T0)] })?.series;
      const stored = series
        ? (await repositories().ohlcv.list(series, ALL, 10_000)).map(({ timestamp, close }) => [timestamp, close])
        : (await repositories().futures.list(key.exchange, key.symbol, ALL, 10_000))
            .map((row) => [row.timestamp, key.metric === 'mark_price' ? row.mark_price : row.open_interest])
            .filter(([, value]) => value !== undefined);
      assert.deepEqual(stored, sorted(values), `${named}: the rows of ${JSON.stringify(key)}`);
    }
    assert.equal(await repositories().candleRewrites.count(), rewritten, named);
    const kept = await repositories().quarantine.list({ limit: 100 });
    assert.equal(
      kept.reduce((sum, { seen }) => sum + seen, 0),
      refused,
      named,
    );
    const stores = { audit: new AuditRepository({ kysely: kysely() }), futures: repositories().futures };
    const options = { repairs: false, crossCheckSince: null, restRatio: 0 };
    const report = await runAudit({ stores, clock: SYSTEM_CLOCK }, options, new AbortController().signal);
    assert.deepEqual([report.differences, report.examples], [0, []], named);
    assert.ok(rewritten > 0 && refused > 0, named);
  });
});

function sorted(map: ReadonlyMap<number, string>): [number, string][] {
  return [...map].toSorted(([a], [b]) => a - b);
}
