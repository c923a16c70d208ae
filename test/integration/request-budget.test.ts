import { describe, it } from 'node:test';
import { measureBackfill } from '../support/measured-backfill.ts';

describe('a backfill of fifty series with futures', () => {
  // Twelve minutes hold one whole window of the longest, five minutes; test/slow has the hour.
  it('hears neither 429 nor 418 in twelve minutes, and lets little of its allowances lie', { timeout: 900_000 }, (t) =>
    measureBackfill(12, t),
  );
});
