import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { MigrationError, SchemaMismatchError } from '../../../src/errors.ts';
import { UpgradeInProgressError } from '../../../src/db/migrator/schema-status.ts';
import type { Problem } from '../../../src/http/protocol/problems.ts';
import type { HttpApp } from '../../../src/http/protocol/http-app.ts';
import { createProbes, createTestApp, TOKEN } from './in-memory.ts';

const AUTHORIZATION = { authorization: `Bearer ${TOKEN}` };

async function upgrade(app: HttpApp, payload?: object | string, headers: Record<string, string> = AUTHORIZATION) {
  return await app.inject({
    method: 'POST',
    url: '/migrations/upgrade',
    headers: typeof payload === 'string' ? { 'content-type': 'application/json', ...headers } : headers,
    ...(payload === undefined ? {} : { payload }),
  });
}

describe('GET /migrations', () => {
  it('answers the status, also while migrating, and is not to be cached', async () => {
    for (const phase of ['running', 'migrating'] as const) {
      const { app, schema } = createTestApp({ probes: createProbes({ phase: () => phase }) });
      const response = await app.inject('/migrations');
      assert.equal(response.statusCode, 200);
      assert.deepEqual(response.json(), { ...(await schema.status()), history: [] });
      assert.equal(response.headers['cache-control'], 'no-store');
    }
  });

  it('asks the database once at a time, however many ask, and answers nobody with what was before him', async () => {
    const { app, schema } = createTestApp();
    const status = schema.status.bind(schema);
    const firstBegun = Promise.withResolvers<undefined>();
    let [running, most, begun] = [0, 0, 0];
    schema.status = async () => {
      begun++;
      most = Math.max(most, ++running);
      const answer = await status();
      firstBegun.resolve(undefined);
      await delay(20);
      running--;
      return answer;
    };
    const versions = async (count: number) => {
      const answers = await Promise.all(Array.from({ length: count }, () => app.inject('/migrations')));
      return [...new Set(answers.map((answer) => answer.json<{ version: string }>().version))];
    };
    const before = versions(50);
    await firstBegun.promise;
    schema.applied = 2;
    assert.deepEqual(await versions(50), ['0002_b']);
    await before;
    assert.equal(most, 1);
    assert.ok(begun <= 3, `${begun} answers were made`);
    schema.fault = new Error('away');
    assert.equal((await app.inject('/migrations')).statusCode, 500);
    schema.fault = null;
    assert.equal((await app.inject('/migrations')).statusCode, 200);
  });

  it('answers 503 before there is a database', async () => {
    const { app } = createTestApp({ probes: createProbes({ phase: () => 'connecting' }) });
    assert.equal((await app.inject('/migrations')).statusCode, 503);
  });
});

describe('POST /migrations/upgrade', () => {
  it('upgrades to head by default, with or without a body', async () => {
    for (const payload of [undefined, {}, { to: 'head', dry_run: false }]) {
      const { app, schema } = createTestApp();
      const response = await upgrade(app, payload);
      assert.equal(response.statusCode, 200, response.body);
      const { applied } = response.json<{ applied: { revision: string }[] }>();
      assert.deepEqual(
        applied.map((entry) => entry.revision),
        ['0002_b', '0003_c'],
      );
      assert.equal(schema.applied, 3);
      assert.equal(schema.calls[0]?.actor, 'admin');
    }
  });

  it('refuses what has no object for a body, and changes nothing', async () => {
    for (const payload of ['[]', '"head"']) {
      const { app, schema } = createTestApp();
      const response = await upgrade(app, payload);
      assert.equal(response.statusCode, 400, payload);
      assert.match(response.json<Problem>().detail, /^body must be a JSON object: \{\} upgrades to head/);
      assert.deepEqual(schema.calls, []);
    }
  });

  it('upgrades to a revision', async () => {
    const { app, schema } = createTestApp();
    assert.equal((await upgrade(app, { to: '0002_b' })).statusCode, 200);
    assert.equal(schema.applied, 2);
  });

  it('answers the plan of a dry run and changes nothing', async () => {
    const { app, schema } = createTestApp();
    const response = await upgrade(app, { dry_run: true });
    assert.deepEqual(response.json(), {
      revisions: ['0002_b', '0003_c'],
      steps: [],
      version: '0001_a',
      target: '0003_c',
    });
    assert.deepEqual([schema.applied, schema.calls], [1, []]);
  });

  it('passes the signal that aborts when the server stops', async () => {
    const { signal } = new AbortController();
    const { app, schema } = createTestApp({ signal });
    await upgrade(app);
    assert.equal(schema.calls[0]?.signal, signal);
  });

  it('refuses without a token, with a wrong one, and where none is configured', async () => {
    const { app, schema } = createTestApp();
    const without = await upgrade(app, {}, {});
    assert.equal(without.statusCode, 401);
    assert.equal(without.headers['www-authenticate'], 'Bearer realm="candlekeep"');
    const wrong = await upgrade(app, {}, { authorization: `Bearer ${TOKEN}x` });
    assert.equal(wrong.statusCode, 401);
    assert.match(String(wrong.headers['www-authenticate']), /error="invalid_token"/);
    const disabled = createTestApp({ adminToken: null });
    const refused = await upgrade(disabled.app);
    assert.equal(refused.statusCode, 403);
    assert.match(refused.json<Problem>().detail, /set ADMIN_TOKEN/);
    assert.deepEqual([schema.calls, disabled.schema.calls], [[], []]);
  });

  it('checks the token before it looks at the body', async () => {
    const { app } = createTestApp();
    assert.equal((await upgrade(app, '{"to":', {})).statusCode, 401);
  });

  it('refuses a bad body and names the field', async () => {
    const { app, schema } = createTestApp();
    const cases: [object | string, string[]][] = [
      [{ to: 3 }, ['to']],
      [{ to: '0001; drop table' }, ['to']],
      [{ dry_run: 'yes' }, ['dry_run']],
      [{ dryrun: true }, ['dryrun']],
      ['[]', ['body']],
    ];
    for (const [payload, fields] of cases) {
      const response = await upgrade(app, payload);
      assert.equal(response.statusCode, 400, response.body);
      assert.deepEqual(
        response.json<Problem>().errors?.map((fault) => fault.field),
        fields,
      );
    }
    assert.equal((await upgrade(app, '{"to":')).json<Problem>().type, 'urn:candlekeep:problem:body-malformed');
    assert.equal((await upgrade(app, '')).json<Problem>().type, 'urn:candlekeep:problem:body-malformed');
    assert.equal((await upgrade(app, '{"to":"head","__proto__":{}}')).statusCode, 400);
    assert.deepEqual(schema.calls, []);
  });

  it('refuses an unknown revision and a downgrade with 400', async () => {
    const { app, schema } = createTestApp();
    schema.applied = 3;
    for (const [to, type] of [
      ['9999_none', 'revision-unknown'],
      ['0001_a', 'downgrade-refused'],
    ] as const) {
      const response = await upgrade(app, { to });
      assert.equal(response.statusCode, 400);
      assert.equal(response.json<Problem>().type, `urn:candlekeep:problem:${type}`);
      assert.equal(response.json<Problem>()['revision'], to);
    }
    assert.equal(schema.applied, 3);
  });

  it('answers 409 with the holder while another upgrade runs', async () => {
    const { app, schema } = createTestApp();
    schema.fault = new UpgradeInProgressError('candlekeep migrate 0003_c, for 12 s');
    const response = await upgrade(app);
    assert.equal(response.statusCode, 409);
    assert.equal(response.json<Problem>()['holder'], 'candlekeep migrate 0003_c, for 12 s');
  });

  it('answers 409 with the revision that nobody has written', async () => {
    const { app, schema } = createTestApp();
    schema.fault = new MigrationError('not written', { revision: '0003_c', code: 'REVISION_UNFILLED' });
    for (const dry_run of [false, true]) {
      const response = await upgrade(app, { dry_run });
      assert.equal(response.statusCode, 409);
      const { type, revision } = response.json<Problem>();
      assert.deepEqual([type, revision], ['urn:candlekeep:problem:revision-unfilled', '0003_c']);
    }
  });

  it('answers 409 while this process migrates at boot; a dry run is answered', async () => {
    const probes = createProbes({ phase: () => 'migrating', progress: () => 'revision 3 of 5: 0003_c' });
    const { app, schema } = createTestApp({ probes });
    const response = await upgrade(app);
    assert.equal(response.statusCode, 409);
    assert.match(String(response.json<Problem>()['holder']), /revision 3 of 5: 0003_c/);
    assert.deepEqual(schema.calls, []);
    assert.equal((await upgrade(app, { dry_run: true })).statusCode, 200);
  });

  it('answers 503 while connecting and stopping', async () => {
    for (const phase of ['connecting', 'verifying', 'stopping'] as const) {
      const { app } = createTestApp({ probes: createProbes({ phase: () => phase }) });
      assert.equal((await upgrade(app)).statusCode, 503);
    }
  });

  it('tells an admin which revision failed, with its SQLSTATE; and what differs', async () => {
    const { app, schema } = createTestApp();
    const cause = Object.assign(new Error('lock timeout'), { code: '55P03', severity: 'ERROR' });
    schema.fault = new MigrationError('0003_c failed: lock timeout', { revision: '0003_c', cause });
    const failed = await upgrade(app);
    assert.equal(failed.statusCode, 500);
    const problem = failed.json<Problem>();
    assert.deepEqual([problem['revision'], problem['sql_state']], ['0003_c', '55P03']);
    assert.match(problem.detail, /lock timeout/);
    schema.fault = new SchemaMismatchError('it is not ours', ['ohlcv_data.open is text']);
    const mismatch = await upgrade(app);
    assert.equal(mismatch.statusCode, 409);
    assert.deepEqual(mismatch.json<Problem>()['differences'], ['ohlcv_data.open is text']);
  });

  it('logs every call with its address and outcome, and never the token', async () => {
    const { app, schema, lines } = createTestApp();
    const logged = () => lines.splice(0).filter((line) => line.msg.includes('upgrade'));
    await upgrade(app);
    assert.deepEqual(
      logged().map(({ msg, address, applied }) => [msg, address, applied]),
      [
        ['an admin upgrade request was accepted', '127.0.0.1', undefined],
        ['an admin upgrade is done', '127.0.0.1', ['0002_b', '0003_c']],
      ],
    );
    schema.fault = new Error('boom');
    for (const [headers, payload, code] of [
      [{ authorization: 'Bearer wrong-token-0000' }, {}, 'TOKEN_REQUIRED'],
      [{}, {}, 'TOKEN_REQUIRED'],
      [AUTHORIZATION, '{', 'FST_ERR_CTP_INVALID_JSON_BODY'],
      [AUTHORIZATION, {}, undefined],
    ] as const) {
      await upgrade(app, payload, headers);
      const refusals = logged().filter((line) => line.msg === 'an admin upgrade request was refused or failed');
      assert.equal(refusals.length, 1);
      assert.equal(refusals[0]!['address'], '127.0.0.1');
      const isTheirs = code !== undefined;
      assert.equal(isTheirs ? refusals[0]!['code'] : (refusals[0]!['err'] as { code?: string }).code, code);
      assert.equal(JSON.stringify(refusals).includes('.ts:'), !isTheirs, 'a stack of our mistakes only');
      assert.doesNotMatch(JSON.stringify(refusals), /wrong-token|correct-horse/);
    }
  });
});
