import { describe, it } from 'node:test';
import { measureBackfill } from '../support/measured-backfill.ts';

describe('a backfill of fifty series with futures', () => {
  it('hears neither 429 nor 418 in an hour, and lets little of its allowances lie', (t) => measureBackfill(60, t));
});
