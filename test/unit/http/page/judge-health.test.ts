import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeHealth, type HealthProbes } from '../../../../src/http/health/health.ts';
import { describeNoError, judge, listFacts, listTiles } from '../../../../src/http/page/browser/judge-health.ts';
import { AT_HEAD, createCompleteness, createProbes, LEDGER } from '../in-memory.ts';

const NOW = new Date('2026-01-02T03:04:05.000Z');

/** The health of a service as /health tells it. */
function healthOf(changes: Partial<HealthProbes> = {}) {
  const probes = createProbes({ completeness: createCompleteness(), ...changes });
  return describeHealth(probes, { version: '1', uptimeSeconds: 60, now: NOW });
}

const tileOf = (name: string, changes: Partial<HealthProbes> = {}) =>
  listTiles(healthOf(changes), []).find((tile) => tile.name === name);

describe('what the page says first', () => {
  it('is that all is well, where it is', () => {
    const { tone, title, reasons } = judge(healthOf(), null);
    assert.deepEqual([tone, title, reasons], ['good', 'All is well', []]);
  });

  it('is that history is still being filled', () => {
    const ingest = { ...createProbes().ingest(), series: 3, complete: 1 };
    const { tone, detail } = judge(healthOf({ ingest: () => ingest }), null);
    assert.deepEqual([tone, detail], ['good', '2 series are not complete yet.']);
  });

  it('names the reasons of a degraded service', () => {
    const { tone, reasons } = judge(healthOf({ scheduler: () => 'stopped' }), null);
    assert.equal(tone, 'warn');
    assert.deepEqual(reasons, ['the scheduler is stopped']);
  });

  it('tells a database that is away, a boot, an end and a failure apart', () => {
    const titleOf = (changes: Partial<HealthProbes>) => {
      const { tone, title } = judge(healthOf(changes), null);
      return [tone, title];
    };
    assert.deepEqual(titleOf({ database: () => 'down' }), ['bad', 'The database does not answer']);
    assert.deepEqual(titleOf({ phase: () => 'migrating', database: () => 'down' }), [
      'quiet',
      'The service is starting',
    ]);
    assert.deepEqual(titleOf({ phase: () => 'stopping' }), ['warn', 'The service is stopping']);
    assert.deepEqual(titleOf({ failure: () => 'no' }), ['bad', 'The service cannot do its work']);
  });

  it('says that nobody answers, and of when the figures are', () => {
    const { tone, detail } = judge(healthOf(), { message: 'away', lastAnswerAt: NOW.getTime() });
    assert.equal(tone, 'bad');
    assert.match(detail, /of 2026-01-02 03:04 UTC/);
  });
});

describe('what is not known now', () => {
  const silence = { message: 'away', lastAnswerAt: NOW.getTime() };

  it('is how long a silent service is up, and its database', () => {
    assert.deepEqual(listFacts(healthOf(), null).slice(0, 2), ['up 1 min', 'database up']);
    assert.deepEqual(listFacts(healthOf(), silence), ['uptime not known now', 'database not known now']);
    assert.deepEqual(listFacts(null, null), []);
  });

  it('is that there is no error, where nobody can tell of one', () => {
    assert.equal(describeNoError(healthOf(), null)[0], 'No error');
    assert.equal(describeNoError(healthOf(), silence)[0], 'Not known now');
    assert.equal(describeNoError(null, silence)[0], 'Not known now');
    assert.equal(describeNoError(null, null)[0], 'Not known yet');
    assert.match(describeNoError(healthOf({ database: () => 'down' }), null)[1], /not known while the database/);
  });

  it('is every figure: each says of when it is', () => {
    for (const { tone, note } of listTiles(healthOf(), [], silence))
      assert.deepEqual([tone, note], ['quiet', 'at 2026-01-02 03:04 UTC']);
  });
});

describe('the figures', () => {
  it('count what is settled, and warn of what is missing', () => {
    // 90 stored and 3 without trades of 97 that can be had.
    assert.deepEqual(tileOf('Completeness'), {
      name: 'Completeness',
      tone: 'warn',
      figure: '95.87 %',
      note: '4 missing, 3 not to be had',
    });
    const slots = { have: 90, missing: 0, confirmed_empty: 3, refused: 0, out_of_window: 0 };
    const completeness = createCompleteness({ ledger: () => ({ ...LEDGER, slots }) });
    assert.deepEqual(tileOf('Completeness', { completeness }), {
      name: 'Completeness',
      tone: 'good',
      figure: '100 %',
      note: '90 stored',
    });
  });

  it('tell pending revisions, and deferred steps without alarm', () => {
    const deferred = [{ step: 's', revision: '0001_a', reason: 'r', remedy: 'm' }];
    const late = tileOf('Schema', { schema: () => ({ ...AT_HEAD, pending: ['0003_c'] }) });
    assert.deepEqual([late?.tone, late?.note], ['bad', '1 pending: run db-upgrade']);
    const plain = tileOf('Schema', { schema: () => ({ ...AT_HEAD, deferred }) });
    assert.deepEqual([plain?.tone, plain?.figure, plain?.note], ['good', '0002, at head', '1 step deferred']);
  });

  it('warn of an exchange that is down', () => {
    const [up] = createCompleteness().exchanges();
    const completeness = createCompleteness({ exchanges: () => [up!, { ...up!, exchange: 'okx', state: 'down' }] });
    const tile = tileOf('Exchanges', { completeness });
    assert.deepEqual([tile?.tone, tile?.figure], ['bad', '1 of 2 up']);
  });

  it('are dashes where nothing is known yet', () => {
    const completeness = createCompleteness({
      ledger: () => ({ ...LEDGER, as_of: null, slots: null, quarantine: null, revisions: null }),
    });
    const ingest = { ...createProbes().ingest(), max_lag_seconds: null };
    const figures = listTiles(healthOf({ completeness, ingest: () => ingest, schema: () => null }), []).map(
      ({ figure }) => figure,
    );
    assert.equal(figures.filter((figure) => figure === '–').length, 4);
  });
});
