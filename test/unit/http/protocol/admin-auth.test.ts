import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AdminAuth } from '../../../../src/http/protocol/admin-auth.ts';
import { RequestError } from '../../../../src/http/protocol/errors.ts';

const TOKEN = 'correct-horse-battery';

function createAuth(token: string | null = TOKEN) {
  const clock = { now: 0 };
  const pauses: number[] = [];
  const auth = new AdminAuth({
    token,
    now: () => clock.now,
    pause: (ms) => {
      pauses.push(ms);
      return Promise.resolve();
    },
  });
  return { auth, clock, pauses };
}

const refusal = (code: string) => (error: unknown) => error instanceof RequestError && error.code === code;

describe('AdminAuth', () => {
  it('lets the token pass, in any case of "Bearer"', async () => {
    const { auth, pauses } = createAuth();
    await auth.authorize(`Bearer ${TOKEN}`, '10.0.0.1');
    await auth.authorize(`bearer  ${TOKEN}`, '10.0.0.1');
    assert.deepEqual(pauses, []);
  });

  it('refuses everybody where no token is configured; an empty token is none', async () => {
    for (const token of [null, '']) {
      const { auth } = createAuth(token);
      await assert.rejects(auth.authorize('Bearer ', '10.0.0.1'), refusal('ADMIN_DISABLED'));
      await assert.rejects(auth.authorize(undefined, '10.0.0.1'), refusal('ADMIN_DISABLED'));
    }
  });

  it('asks for the token where there is none or another scheme', async () => {
    const { auth, pauses } = createAuth();
    for (const header of [undefined, '', 'Bearer', 'Bearer ', `Basic ${TOKEN}`, TOKEN])
      await assert.rejects(auth.authorize(header, '10.0.0.1'), (error: unknown) => {
        assert.ok(error instanceof RequestError);
        assert.equal(error.code, 'TOKEN_REQUIRED');
        assert.match(error.headers['www-authenticate'] ?? '', /^Bearer realm=/);
        return true;
      });
    assert.deepEqual(pauses, []);
  });

  it('refuses wrong tokens of any length, each more slowly than the one before', async () => {
    const { auth, pauses } = createAuth();
    for (const token of ['x', TOKEN.slice(0, -1), `${TOKEN}x`, TOKEN.toUpperCase(), 'ü', 'a'.repeat(5000)])
      await assert.rejects(auth.authorize(`Bearer ${token}`, '10.0.0.1'), refusal('TOKEN_REQUIRED'));
    assert.deepEqual(pauses, [50, 100, 200, 400, 800, 1000]);
  });

  it('locks an address out for a minute after ten wrong tokens, and no other', async () => {
    const { auth, clock } = createAuth();
    for (let attempt = 0; attempt < 10; attempt++)
      await assert.rejects(auth.authorize('Bearer wrong', '10.0.0.1'), refusal('TOKEN_REQUIRED'));
    clock.now = 15_000;
    await assert.rejects(auth.authorize(`Bearer ${TOKEN}`, '10.0.0.1'), (error: unknown) => {
      assert.ok(error instanceof RequestError);
      assert.equal(error.code, 'ATTEMPTS_EXCEEDED');
      assert.equal(error.headers['retry-after'], '45');
      return true;
    });
    await auth.authorize(`Bearer ${TOKEN}`, '10.0.0.2');
    clock.now = 60_000;
    await auth.authorize(`Bearer ${TOKEN}`, '10.0.0.1');
  });

  it('remembers a bounded number of addresses', async () => {
    const { auth } = createAuth();
    for (let attempt = 0; attempt < 10; attempt++)
      await assert.rejects(auth.authorize('Bearer wrong', 'first'), refusal('TOKEN_REQUIRED'));
    await assert.rejects(auth.authorize('Bearer wrong', 'first'), refusal('ATTEMPTS_EXCEEDED'));
    for (let address = 0; address < 1000; address++)
      await assert.rejects(auth.authorize('Bearer wrong', `address ${address}`), refusal('TOKEN_REQUIRED'));
    await assert.rejects(auth.authorize('Bearer wrong', 'first'), refusal('TOKEN_REQUIRED'));
  });
});
