import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fundingHoursAt, listFunding, nextSettlement } from '../../../simulator/funding.ts';
import type { PerpetualListing } from '../../../simulator/market-listing.ts';
import { DEFAULT_MARKETS, type SimulatedMarket } from '../../../simulator/symbol-catalogue.ts';
import { createVenue } from '../../../simulator/venue.ts';

const HOUR = 3_600_000;
const CHANGE = Date.UTC(2026, 7, 15);
const NOW = CHANGE + 48 * HOUR + 10 * 60_000;

function perpetualOf(changed: Partial<SimulatedMarket> = {}): PerpetualListing {
  const ada = DEFAULT_MARKETS.find(({ symbol }) => symbol === 'ADA/USDT')!;
  const venue = createVenue({ seed: 'test', markets: [{ ...ada, ...changed }], recorded: [] });
  return venue.perpetuals.get('ADAUSDT')!;
}

const slotsOf = (events: readonly { fundingTime: number }[]) =>
  events.map(({ fundingTime }) => (Math.floor(fundingTime / HOUR) * HOUR - CHANGE) / HOUR);

describe('funding', () => {
  it('changes its interval when the market does', () => {
    const ada = perpetualOf();
    const all = listFunding(ada, { startMs: CHANGE - 24 * HOUR, endMs: CHANGE + 12 * HOUR, limit: 100, nowMs: NOW });
    assert.deepEqual(slotsOf(all), [-24, -16, -8, 0, 4, 8]);
    assert.deepEqual([fundingHoursAt(ada, CHANGE - 1), fundingHoursAt(ada, CHANGE)], [8, 4]);
    assert.deepEqual(
      [nextSettlement(ada, CHANGE - 9 * HOUR), nextSettlement(ada, CHANGE)].map((at) => (at - CHANGE) / HOUR),
      [-8, 4],
    );
  });

  it('gives the same settlements forwards and backwards', () => {
    const ada = perpetualOf();
    const query = { endMs: null, nowMs: NOW };
    const backwards = listFunding(ada, { ...query, startMs: null, limit: 40 });
    assert.equal(backwards.length, 40);
    assert.deepEqual(listFunding(ada, { ...query, startMs: backwards[0]!.fundingTime, limit: 1_000 }), backwards);
    assert.deepEqual(
      listFunding(ada, { ...query, startMs: backwards[0]!.fundingTime + 1, limit: 1_000 }),
      backwards.slice(1),
    );
    const middle = Math.floor(backwards[20]!.fundingTime / HOUR) * HOUR - HOUR;
    assert.deepEqual(listFunding(ada, { ...query, startMs: middle, limit: 5 }), backwards.slice(20, 25));
  });

  it('begins after the listing and ends with the halt', () => {
    const haltedMs = CHANGE + 12 * HOUR;
    const ada = perpetualOf({ haltedMs });
    const all = listFunding(ada, { startMs: 0, endMs: null, limit: 1e6, nowMs: NOW });
    assert.equal(slotsOf(all).at(-1), 8, 'nothing is settled at the moment of the halt');
    assert.ok(all[0]!.fundingTime > ada.listedMs && all[0]!.fundingTime < ada.listedMs + 8 * HOUR + 20);
    assert.deepEqual(listFunding(ada, { startMs: null, endMs: null, limit: 1e6, nowMs: NOW }), all);
  });
});
