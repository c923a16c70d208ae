import assert from 'node:assert/strict';
import type { BlockStore } from '../../../src/ingest/exchange/shared-blocks.ts';
import type { DeclareTest } from './skips.ts';

const NOW = Date.UTC(2026, 10, 22, 12);

/** What exchanges told one address to wait for. Nothing is stored when a test begins. */
export function describeBlocks(test: DeclareTest, blocks: () => BlockStore): void {
  test('keeps the block of each exchange that ends last', async () => {
    const ban = { reason: 'banned', until: NOW + 120_000, message: 'banned' } as const;
    assert.equal(await blocks().find('binance'), null);
    await blocks().note('binance', ban);
    assert.deepEqual(await blocks().find('binance'), ban);
    await blocks().note('binance', { reason: 'throttled', until: NOW + 10_000, message: 'shorter' });
    assert.deepEqual(await blocks().find('binance'), ban);
    const asLong = { reason: 'throttled', until: ban.until, message: 'ends with it' } as const;
    await blocks().note('binance', asLong);
    assert.deepEqual(await blocks().find('binance'), asLong);
    const refused = { reason: 'refused', until: NOW + 900_000, message: 'a firewall' } as const;
    await blocks().note('binance', refused);
    await blocks().note('okx', ban);
    assert.deepEqual(await blocks().find('binance'), refused);
    assert.deepEqual(await blocks().find('okx'), ban);
    assert.equal(await blocks().find('bybit'), null);
  });
}
