import assert from 'node:assert/strict';
import { beforeEach, it } from 'node:test';
import { describeOnEachServer } from '../support/repository-lanes.ts';

const DAY = 86_400_000;
const NOW = Date.UTC(2026, 10, 22, 12);
const PLACE = { exchange: 'binance', origin: '', address: 'office' };

describeOnEachServer('ExchangeBlocksRepository', ({ repositories, query, clear }) => {
  beforeEach(clear);
  const blocks = () => repositories().exchangeBlocks;
  const ban = (until: number, message = 'banned') => ({ reason: 'banned', until, message }) as const;

  it('keeps the block that ends last, of each exchange, origin and address', async () => {
    assert.equal(await blocks().find(PLACE), null);
    await blocks().note(PLACE, ban(NOW + 120_000), 'a');
    assert.deepEqual(await blocks().find(PLACE), ban(NOW + 120_000));
    await blocks().note(PLACE, { reason: 'throttled', until: NOW + 10_000, message: 'shorter' }, 'b');
    assert.deepEqual(await blocks().find(PLACE), ban(NOW + 120_000));
    const refused = { reason: 'refused', until: NOW + 900_000, message: 'a\0firewall' } as const;
    await blocks().note(PLACE, refused, 'b');
    assert.deepEqual(await blocks().find(PLACE), { ...refused, message: 'afirewall' });
    assert.deepEqual(await query('select replica_id from exchange_blocks'), [{ replica_id: 'b' }]);
    for (const other of [
      { ...PLACE, exchange: 'okx' },
      { ...PLACE, origin: 'http://127.0.0.1:9001' },
      { ...PLACE, address: 'home' },
    ])
      assert.equal(await blocks().find(other), null);
  });

  it('forgets after a month what nobody asks for', async () => {
    await blocks().note({ ...PLACE, address: 'gone' }, ban(NOW - 31 * DAY), 'a');
    await blocks().note({ ...PLACE, address: 'lately' }, ban(NOW - 29 * DAY), 'a');
    await blocks().note(PLACE, ban(NOW), 'a');
    const rows = await query('select address from exchange_blocks order by address');
    assert.deepEqual(rows, [{ address: 'lately' }, { address: 'office' }]);
  });

  it('lets many note at once', async () => {
    const untils = Array.from({ length: 20 }, (_, index) => NOW + ((index * 7) % 20) * 1_000);
    await Promise.all(untils.map((until, index) => blocks().note(PLACE, ban(until), `r${index}`)));
    assert.equal((await blocks().find(PLACE))?.until, NOW + 19_000);
  });
});
