import assert from 'node:assert/strict';
import { describe } from 'node:test';
import { AT_ONCE, BEGUN, DAY, HOUR, RANGE, SINCE, isDataError, listValues, type Conformance } from './stage.ts';

/** What a page of candles holds, and what it answers. */
export function describeCandles({ wire, test, open, fetchHours }: Conformance): void {
  const { id } = wire;
  describe('candles', AT_ONCE, () => {
    test('come oldest first, each opening time once, inside the range, with every digit as it was sent', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      const { candles, rejected, answered } = await fetchHours(exchange);
      const truth = await venue.listCandles(RANGE.since, RANGE.until);
      assert.ok(truth.length >= 45);
      assert.deepEqual(candles.map(listValues), truth);
      assert.deepEqual([rejected, answered], [[], RANGE]);
    });

    test('keep the digits of bare JSON numbers', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      venue.distort.rows = (usual) => JSON.stringify(usual).replaceAll(/"(-?\d+\.\d+)"/g, '$1');
      const { candles } = await fetchHours(exchange);
      assert.deepEqual(candles.map(listValues), await venue.listCandles(RANGE.since, RANGE.until));
    });

    test('come in one page from the start of a longer range, of which no more is answered', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      const since = SINCE - 200 * DAY;
      const { candles, answered } = await fetchHours(exchange, { since, until: SINCE });
      const end = since + exchange.candleLimit * HOUR;
      const truth = await venue.listCandles(since, end);
      assert.deepEqual(candles.map(listValues), truth);
      assert.equal(answered?.until, end);
      assert.ok(answered.since >= since && answered.since <= (truth[0]?.[0] ?? 0));
    });

    test('are not answered beyond what the exchange can know', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      const { candles, answered } = await fetchHours(exchange, { since: BEGUN - 5 * HOUR, until: BEGUN + 10 * HOUR });
      assert.ok(answered && answered.until >= BEGUN && answered.until <= BEGUN + HOUR, JSON.stringify(answered));
      const truth = await venue.listCandles(BEGUN - 5 * HOUR, answered.until);
      assert.deepEqual(candles.map(listValues), truth);
      const future = fetchHours(exchange, { since: BEGUN + HOUR, until: BEGUN + 5 * HOUR });
      if (exchange.speaksFor === 'range') await assert.rejects(future, isDataError(id, /has not published/));
      else assert.equal((await future).answered, null);
    });

    test('speak for the whole range, or only for the time between the first and the last of them', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      venue.distort.rows = (usual) => wire.editRows(usual, (rows) => rows.slice(2, -2));
      const { candles, answered } = await fetchHours(exchange);
      const [first, last] = [candles[0]?.timestamp ?? 0, candles.at(-1)?.timestamp ?? 0];
      const between = { since: first, until: last + HOUR };
      assert.ok(between.since > RANGE.since && between.until < RANGE.until);
      assert.deepEqual(answered, exchange.speaksFor === 'range' ? RANGE : between);
      venue.distort.rows = (usual) => wire.editRows(usual, () => []);
      assert.deepEqual((await fetchHours(exchange)).answered, exchange.speaksFor === 'range' ? RANGE : null);
    });

    test('take no request where no candle opens in the range', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      const range = { since: SINCE + 1, until: SINCE + HOUR - 1 };
      assert.deepEqual(await fetchHours(exchange, range), {
        candles: [],
        rejected: [],
        answered: range,
        tellsGaps: true,
      });
      assert.equal(venue.count('rows'), 0);
    });

    test('may come in any order', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      venue.distort.rows = (usual) => wire.editRows(usual, (rows) => rows.toReversed());
      const { candles } = await fetchHours(exchange);
      assert.deepEqual(candles.map(listValues), await venue.listCandles(RANGE.since, RANGE.until));
    });

    test('that cannot be are kept aside with the reason and the time that they claim', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      const spoilt = [3, 7];
      venue.distort.rows = (usual) =>
        wire.editRows(usual, (rows) =>
          rows.map((row, index) => (spoilt.includes(index) ? wire.changeRow(row, { low: '1000000.5' }) : row)),
        );
      const { candles, rejected, answered } = await fetchHours(exchange);
      const truth = await venue.listCandles(RANGE.since, RANGE.until);
      assert.deepEqual(
        rejected.map(({ reason }) => reason),
        ['low is above high', 'low is above high'],
      );
      const aside = new Set(rejected.map(({ timestamp }) => timestamp));
      assert.equal(aside.size, 2);
      assert.deepEqual(
        candles.map(listValues),
        truth.filter(([time]) => !aside.has(time)),
      );
      assert.deepEqual(answered, RANGE);
    });

    test('of one time count once where they are equal, and are kept aside where they differ', async () => {
      await using stage = await open();
      const { exchange, venue } = stage;
      venue.distort.rows = (usual) =>
        wire.editRows(usual, (rows) => {
          const [equal, disputed] = [rows[3], rows[7]];
          return equal && disputed ? [...rows, equal, wire.changeRow(disputed, { volume: '1' })] : rows;
        });
      const { candles, rejected } = await fetchHours(exchange);
      assert.deepEqual(
        rejected.map(({ reason }) => reason),
        Array.from({ length: 2 }, () => 'another row has the same opening time and other values'),
      );
      const truth = await venue.listCandles(RANGE.since, RANGE.until);
      assert.deepEqual(
        candles.map(listValues),
        truth.filter(([time]) => time !== rejected[0]?.timestamp),
      );
    });

    for (const [unit, factor] of [
      ['seconds', 0.001],
      ['microseconds', 1_000],
    ] as const)
      test(`in ${unit} are no answer: they must not look like an empty page`, async () => {
        await using stage = await open();
        const { exchange, venue } = stage;
        const time = (ms: number) => Math.round(ms * factor);
        venue.distort.rows = (usual) =>
          wire.editRows(usual, (rows) => rows.map((row) => wire.changeRow(row, { time })));
        await assert.rejects(fetchHours(exchange), isDataError(id, /rows from other times/));
      });
  });
}
