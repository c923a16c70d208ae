import { formatUnits } from './decimal-text.ts';
import { describePerpetuals, describeSpot } from './exchange-listing.ts';
import { floorToSettlement, fundingHoursAt, fundingRateAt, nextSettlement } from './funding.ts';
import { openInterestAt } from './futures-statistics.ts';
import { listFundingAnswer, listStatistics, STATISTICS } from './history-answers.ts';
import type { KlineSource } from './klines.ts';
import { isListed, MARK_DECIMALS, type PerpetualListing } from './market-listing.ts';
import type { BudgetName } from './weight-counter.ts';
import type { RequestParameters } from './request-parameters.ts';
import { findListing } from './request-parameters.ts';
import type { Venue } from './venue.ts';
import { refuse } from './wire-error.ts';

/** One endpoint: what it costs, and its answer (JSON) or a WireError. */
export interface Route {
  readonly budget: BudgetName;
  readonly weight: (parameters: RequestParameters) => number;
  readonly answer: (parameters: RequestParameters, nowMs: number) => unknown;
}

/** Every endpoint by its path. Weights: https://developers.binance.com/docs/derivatives/usds-margined-futures */
export function createRoutes(venue: Venue): ReadonlyMap<string, Route> {
  const spot = (weight: number, answer: Route['answer']): Route => ({ budget: 'spot', weight: () => weight, answer });
  const futures = (weight: Route['weight'], answer: Route['answer']): Route => ({ budget: 'futures', weight, answer });
  const perpetual = (parameters: RequestParameters, nowMs: number) =>
    parameters.listing(listed(venue.perpetuals, nowMs));
  const one = () => 1;
  const futuresKlines = (pick: (listing: PerpetualListing) => KlineSource) =>
    futures(weightOfKlines, (parameters, nowMs) =>
      answerKlines(pick(perpetual(parameters, nowMs)), parameters, nowMs, 1_500),
    );
  return new Map<string, Route>([
    ['/api/v3/ping', spot(1, () => ({}))],
    ['/api/v3/time', spot(1, (_, nowMs) => ({ serverTime: nowMs }))],
    ['/api/v3/exchangeInfo', spot(20, (parameters, nowMs) => answerSpotListing(venue, parameters, nowMs))],
    [
      '/api/v3/klines',
      spot(2, (parameters, nowMs) =>
        answerKlines(parameters.listing(listed(venue.spot, nowMs)).klines, parameters, nowMs, 1_000),
      ),
    ],
    ['/fapi/v1/ping', futures(one, () => ({}))],
    ['/fapi/v1/time', futures(one, (_, nowMs) => ({ serverTime: nowMs }))],
    [
      '/fapi/v1/exchangeInfo',
      futures(one, (_, nowMs) => describePerpetuals([...listed(venue.perpetuals, nowMs).values()], nowMs)),
    ],
    ['/fapi/v1/klines', futuresKlines((listing) => listing.klines)],
    ['/fapi/v1/markPriceKlines', futuresKlines((listing) => listing.markKlines)],
    [
      '/fapi/v1/premiumIndex',
      futures(
        (parameters) => (parameters.find('symbol') === null ? 10 : 1),
        (parameters, nowMs) =>
          parameters.find('symbol') === null
            ? [...listed(venue.perpetuals, nowMs).values()].map((listing) => describePremium(listing, nowMs))
            : describePremium(perpetual(parameters, nowMs), nowMs),
      ),
    ],
    [
      '/fapi/v1/openInterest',
      futures(one, (parameters, nowMs) => {
        const listing = perpetual(parameters, nowMs);
        const openInterest = formatUnits(openInterestAt(listing, nowMs), listing.stepDecimals);
        return { openInterest, symbol: listing.id, time: nowMs };
      }),
    ],
    [
      '/fapi/v1/fundingRate',
      {
        budget: 'funding',
        weight: one,
        answer: (parameters, nowMs) => listFundingAnswer(listed(venue.perpetuals, nowMs), parameters, nowMs),
      },
    ],
    [
      '/fapi/v1/fundingInfo',
      {
        budget: 'funding',
        weight: one,
        answer: (_, nowMs) =>
          [...listed(venue.perpetuals, nowMs).values()].map((listing) => describeFunding(listing, nowMs)),
      },
    ],
    ...[...STATISTICS].map(([path, source]): [string, Route] => [
      path,
      {
        budget: 'statistics',
        weight: one,
        answer: (parameters, nowMs) => listStatistics(source, perpetual(parameters, nowMs), parameters, nowMs),
      },
    ]),
  ]);
}

/** What is not listed yet, or no longer, is not known. */
function listed<T extends { readonly listedMs: number; readonly removedMs: number }>(
  listings: ReadonlyMap<string, T>,
  nowMs: number,
): ReadonlyMap<string, T> {
  return new Map([...listings].filter(([, listing]) => isListed(listing, nowMs)));
}

function answerSpotListing(venue: Venue, parameters: RequestParameters, nowMs: number): object {
  const listings = listed(venue.spot, nowMs);
  const symbol = parameters.find('symbol');
  return describeSpot(symbol === null ? listings.values() : [findListing(listings, symbol)], nowMs);
}

function answerKlines(source: KlineSource, parameters: RequestParameters, nowMs: number, most: number): unknown {
  const rows = source.listKlines({
    interval: parameters.interval('interval'),
    startMs: parameters.findInteger('startTime'),
    endMs: parameters.findInteger('endTime'),
    limit: parameters.limit({ ordinary: 500, most }),
    nowMs,
  });
  if (rows === null) throw refuse(-1120, 'Invalid interval.');
  return rows;
}

function weightOfKlines(parameters: RequestParameters): number {
  const limit = parameters.findInteger('limit') ?? 500;
  if (limit < 100) return 1;
  if (limit < 500) return 2;
  return limit <= 1_000 ? 5 : 10;
}

function describePremium(listing: PerpetualListing, nowMs: number): object {
  const slot = floorToSettlement(listing, nowMs);
  const indexPrice = formatUnits(listing.index.findPrice(nowMs) ?? 0, MARK_DECIMALS);
  return {
    symbol: listing.id,
    markPrice: formatUnits(listing.mark.findPrice(nowMs) ?? 0, MARK_DECIMALS),
    indexPrice,
    estimatedSettlePrice: indexPrice,
    lastFundingRate: fundingRateAt(listing, slot),
    interestRate: '0.00010000',
    nextFundingTime: nextSettlement(listing, nowMs),
    time: nowMs,
  };
}

function describeFunding(listing: PerpetualListing, nowMs: number): object {
  return {
    symbol: listing.id,
    adjustedFundingRateCap: '0.02000000',
    adjustedFundingRateFloor: '-0.02000000',
    fundingIntervalHours: fundingHoursAt(listing, nowMs),
    disclaimer: false,
  };
}
