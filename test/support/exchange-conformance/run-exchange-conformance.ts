import { describe } from 'node:test';
import type { WireVenue } from '../wire-venue.ts';
import { describeAccess } from './access.ts';
import { describeCandles } from './candles.ts';
import { describeFutures } from './futures.ts';
import { describeMarkets } from './markets.ts';
import { describeNoAnswers } from './no-answers.ts';
import { createConformance, type Skip } from './stage.ts';
import { describeStopping } from './stopping.ts';

/** Tries on the wire what every adapter of an exchange promises by the port. `skips` says what one does not, and why. */
export function runExchangeConformance(wire: WireVenue, skips: readonly Skip[] = []): void {
  const conformance = createConformance(wire, skips);
  describe(`${wire.id} as the port promises`, { concurrency: 3 }, () => {
    describeMarkets(conformance);
    describeCandles(conformance);
    describeFutures(conformance);
    describeNoAnswers(conformance);
    describeAccess(conformance);
    describeStopping(conformance);
  });
}
