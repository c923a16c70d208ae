import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { SimulatedExchange } from '../simulator/simulated-exchange.ts';
import { runCommand } from './support/run-command.ts';

const HELP = `Runs the service with everything invented: a simulated exchange in place of Binance, and a database of its own
under ./data/demo. No network, no account, nothing of yours is touched: DATABASE_URL is not used.

  npm run demo -- [--port N] [--days N]
  make demo

  --port  the service's port (PORT, else 8000)
  --days  how many days to fetch (90)
  --help  this text

Stop it with Ctrl-C. To begin anew: rm -r data/demo`;

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: process.env['PORT'] ?? '8000' },
      days: { type: 'string', default: '90' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const exchange = new SimulatedExchange({ seed: 'candlekeep' });
  const { origin } = await exchange.listen();
  console.log(`simulated exchange on ${origin}: every candle of this demo is invented`);

  const service = spawn(process.execPath, [resolve(import.meta.dirname, '../src/main.ts')], {
    stdio: 'inherit',
    env: {
      ...process.env,
      // Empty counts as unset, and keeps .env from setting it: invented rows must not get into a real database.
      DATABASE_URL: '',
      MIGRATION_DATABASE_URL: '',
      DATA_DIR: resolve('data/demo'),
      PORT: values.port,
      MARKETS: 'binance:BTC/USDT,binance:ETH/USDT,binance:SOL/USDT',
      TIMEFRAMES: '1m,1h',
      BACKFILL_DAYS: values.days,
      BACKFILL_FROM: '',
      FUTURES: 'true',
      EXCHANGE_URLS: `binance=${origin}`,
      MIGRATE_ON_BOOT: 'true',
      TELEGRAM_BOT_TOKEN: '',
      TELEGRAM_CHAT_ID: '',
    },
  });
  // Ctrl-C reaches the service by itself, as it is in the same process group; a plain kill reaches only us.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => service.kill('SIGTERM'));
  const code = await new Promise<number>((done, fail) => {
    service.once('error', fail);
    service.once('exit', (exitCode) => done(exitCode ?? 1));
  });
  await exchange.close();
  return code;
});
