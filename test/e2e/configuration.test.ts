import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { startService } from '../support/service-process.ts';

describe('a configuration that cannot be used', () => {
  it('is told fault by fault, all at once, without a secret, and ends with exit code 2', async () => {
    await using service = startService({
      DATABASE_URL: 'mysql://ledger:Zebra-Password@db.example:3306/candles',
      PORT: '99999',
      BACKFILL_FROM: 'yesterday',
      TIMEFRAMES: '1h,soon',
      ADMIN_TOKEN: 'Zebra-Token',
      REFRESH_CRON: 'every day',
      LOG_LEVEL: 'loud',
      TELEGRAM_BOT_TOKEN: '1:Zebra-Bot',
    });
    assert.deepEqual(await service.waitForExit(), { code: 2, signal: null });
    const names = ['DATABASE_URL', 'PORT', 'BACKFILL_FROM', 'TIMEFRAMES', 'ADMIN_TOKEN', 'REFRESH_CRON', 'LOG_LEVEL'];
    const lines = service.output.split('\n');
    for (const name of names)
      assert.equal(lines.filter((line) => line.startsWith(`${name}: `)).length, 1, `${name} in:\n${service.output}`);
    assert.equal(lines.length, names.length + 2, service.output);
    assert.match(service.output, /^TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID: set both/m);
    assert.match(lines.at(-1)!, /did not start: mend the lines above/);
    assert.doesNotMatch(service.output, /Zebra/);
  });

  it('names the exchanges that are near an unknown one', async () => {
    await using service = startService({ MARKETS: 'binanc:BTC/USDT' });
    assert.equal((await service.waitForExit()).code, 2);
    assert.match(service.output, /^MARKETS: "binanc" is not an exchange that ccxt knows; did you mean .*binance/m);
  });
});
