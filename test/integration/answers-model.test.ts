import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { parquetMetadata } from 'hyparquet';
import { candleKey, COVERAGE_STATES, type CoverageState } from '../../src/market/coverage.ts';
import { candleOf, seriesOf } from '../support/candles.ts';
import { describeOnEachServer } from '../support/repository-lanes.ts';
import { createProbes, createTestApp } from '../unit/http/in-memory.ts';

const HOUR = 3_600_000;
const SLOTS = 36;
const RUNS = Number(process.env['ANSWER_RUNS'] ?? 40);
const SERIES = seriesOf('binance', 'BTC/USDT', '1h');
const KEY = candleKey(SERIES);
const STATES = [...COVERAGE_STATES, 'silent'] as const;
const FORMATS = ['json', 'arrays', 'csv', 'ndjson', 'parquet', 'udf'] as const;

/** A slot as the database has it: what the ledger says, and whether a row is there. */
interface Slot {
  readonly state: CoverageState | 'silent';
  readonly hasRow: boolean;
}

/** Places are hours after the first slot; some lie outside of all slots. */
interface Asked {
  readonly format: (typeof FORMATS)[number];
  readonly since: number | null;
  readonly until: number | null;
  readonly limit: number | null;
}

interface Drawn {
  readonly slots: readonly Slot[];
  /** null: nobody collects it. */
  readonly window: number | null;
  readonly requests: readonly Asked[];
}

const stretches = fc.array(
  fc.record({
    state: fc.oneof(
      { weight: 4, arbitrary: fc.constant('have' as const) },
      { weight: 2, arbitrary: fc.constant('confirmed_empty' as const) },
      fc.constantFrom(...STATES),
    ),
    length: fc.integer({ min: 1, max: 20 }),
    /** Slots of it where row and state do not agree. */
    odd: fc.oneof(
      { weight: 2, arbitrary: fc.constant<number[]>([]) },
      { weight: 1, arbitrary: fc.array(fc.nat(19), { maxLength: 2 }) },
    ),
  }),
  { minLength: 2, maxLength: 6 },
);
const drawn: fc.Arbitrary<Drawn> = fc.record({
  slots: stretches.map((list) =>
    list
      .flatMap(({ state, length, odd }) =>
        Array.from({ length }, (_, place): Slot => ({ state, hasRow: (state === 'have') !== odd.includes(place) })),
      )
      .slice(0, SLOTS),
  ),
  window: fc.option(fc.integer({ min: -4, max: SLOTS + 2 })),
  requests: fc.array(
    fc.record({
      format: fc.constantFrom(...FORMATS),
      since: fc.option(fc.integer({ min: -3, max: SLOTS - 1 })),
      until: fc.option(fc.integer({ min: -2, max: SLOTS + 3 }), { freq: 1 }),
      limit: fc.option(fc.integer({ min: 1, max: SLOTS })),
    }),
    { minLength: 6, maxLength: 8 },
  ),
});

/** What an answer speaks of and whether it is complete, slot by slot. Places in hours; `now`: the first that has not ended. */
function model({ slots, window }: Drawn, { format, since, until, limit }: Asked, now: number) {
  const isExport = format === 'csv' || format === 'ndjson' || format === 'parquet';
  const most = limit ?? (isExport ? Infinity : 500);
  const before = until ?? Infinity;
  const rows = slots.flatMap(({ hasRow }, place) =>
    hasRow && place < before && place >= (since ?? -Infinity) ? [place] : [],
  );
  const end = Math.min(before, now);
  let [first, last] = [since ?? 0, end];
  if (since === null) {
    const newest = rows.slice(-most);
    first = newest.length >= most ? (newest[0] ?? end) : Math.min(rows[0] ?? Infinity, window ?? Infinity, end - 1);
  } else last = Math.min(end, rows[most] ?? Infinity);
  let isComplete = true;
  for (let place = first; place < last; place++) {
    const { state = 'silent', hasRow = false } = slots[place] ?? {};
    if (!(state === 'confirmed_empty' || (state === 'have' && hasRow))) isComplete = false;
  }
  return { complete: isComplete, since: first, until: Math.max(first, last) };
}

describeOnEachServer('completeness of answers beside a model of each slot', (lane) => {
  it('is told alike in every format, and only where each slot is stored or known to be empty', async (t) => {
    const { app } = createTestApp({
      repositories: lane.repositories(),
      // Where nothing is stored yet, an answer about nothing.
      probes: createProbes({
        ingestSeries: () => [{ ...SERIES, state: 'backfilling', missing: null, rejected: 0, last_error: null }],
      }),
    });
    const told = { complete: 0, incomplete: 0 };

    async function ask({ format, since, until, limit }: Asked, at: (place: number) => number) {
      if (format === 'udf') {
        const query = `symbol=binance:BTC/USDT&resolution=60&to=${at(until ?? 0) / 1000}&countback=${limit ?? 500}`;
        const { statusCode, body } = await app.inject(`/udf/history?${query}`);
        assert.equal(statusCode, 200, body);
        return { complete: (JSON.parse(body) as { complete: boolean }).complete };
      }
      const query = new URLSearchParams({ symbol: SERIES.symbol, timeframe: SERIES.timeframe, format });
      if (since !== null) query.set('since', String(at(since)));
      if (until !== null) query.set('until', String(at(until)));
      if (limit !== null) query.set('limit', String(limit));
      const { statusCode, headers, body, rawPayload } = await app.inject(`/v1/ohlcv?${query.toString()}`);
      assert.equal(statusCode, 200, body);
      const [from = '', to = ''] = String(headers['x-answered']).split('/');
      const answer = {
        complete: headers['x-complete'] === 'true',
        since: (Date.parse(from) - at(0)) / HOUR,
        until: (Date.parse(to) - at(0)) / HOUR,
      };
      assert.equal(answer.complete, headers['x-gaps'] === '0');
      if (format === 'json') {
        const page = JSON.parse(body) as { complete: boolean; answered: { since: string; until: string } };
        assert.deepEqual([page.complete, page.answered], [answer.complete, { since: from, until: to }]);
      }
      if (format === 'parquet') {
        const { buffer, byteOffset, byteLength } = rawPayload;
        const metadata = parquetMetadata(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer);
        const kept = Object.fromEntries((metadata.key_value_metadata ?? []).map(({ key, value }) => [key, value]));
        assert.deepEqual(
          [kept['candlekeep.complete'], kept['candlekeep.gaps'], kept['candlekeep.answered']],
          [headers['x-complete'], headers['x-gaps'], headers['x-answered']],
        );
      }
      return answer;
    }

    await fc.assert(
      fc.asyncProperty(drawn, async (draw) => {
        // The slots end with the hour that ended last; where an hour ends meanwhile, it is looked at again.
        const ended = Math.floor(Date.now() / HOUR) * HOUR;
        const start = ended - draw.slots.length * HOUR;
        const at = (place: number) => start + place * HOUR;
        await lane.clear();
        const rows = draw.slots.flatMap(({ hasRow }, place) => (hasRow ? [candleOf(at(place))] : []));
        await lane.rows().candles(SERIES, rows);
        await lane.repositories().coverage.record(
          KEY,
          draw.slots.flatMap(({ state }, place) => {
            if (state === 'silent') return [];
            const evidence = { asks: 0, firstAskedAt: null, lastAskedAt: null, reason: null };
            return [{ since: at(place), until: at(place + 1), state, ...evidence }];
          }),
        );
        // Not on the grid: the window begins with the next slot.
        if (draw.window !== null)
          await lane.repositories().wantedWindows.note([{ key: KEY, since: at(draw.window) - HOUR / 3 }], 'r');
        for (const request of draw.requests) {
          if (request.format === 'udf' && (request.until === null || rows.length === 0)) continue;
          const asked = request.format === 'udf' ? { ...request, since: null } : request;
          if (asked.since !== null && asked.since >= (asked.until ?? draw.slots.length)) continue;
          const answer = await ask(asked, at);
          if (Math.floor(Date.now() / HOUR) * HOUR !== ended) return;
          const expected = model(draw, asked, draw.slots.length);
          told[expected.complete ? 'complete' : 'incomplete']++;
          assert.deepEqual(answer, asked.format === 'udf' ? { complete: expected.complete } : expected);
        }
      }),
      { numRuns: RUNS },
    );
    assert.ok(told.complete >= RUNS / 4 && told.incomplete >= RUNS, JSON.stringify(told));
    t.diagnostic(`complete ${told.complete} times, incomplete ${told.incomplete} times`);
  });
});
