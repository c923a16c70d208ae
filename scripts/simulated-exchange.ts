import { parseArgs } from 'node:util';
import { messageOf } from '../src/errors.ts';
import { loadRecordedCandles, type RecordedSeries } from '../src/exchanges/simulated/recorded-candles.ts';
import { SimulatedExchange } from '../src/exchanges/simulated/simulated-exchange.ts';

const HELP = `Serves invented or recorded candles by Binance's wire protocol. No network, no account.

  npm run simulated-exchange -- [--port N] [--host ADDRESS] [--seed TEXT] [--recorded FILE=SYMBOL:TIMEFRAME]...

  --port      the port to open (9001; 0 takes a free one)
  --host      the address to open it on (127.0.0.1: reachable from this machine only)
  --seed      the same seed gives the same history (candlekeep)
  --recorded  serve the candles in FILE too, as in --recorded candles.json=XRP/ETH:1m; may be given several times.
              FILE is a JSON array of [ms, open, high, low, close, volume]
  --help      this text

Point the service at it with EXCHANGE_URLS=binance=http://127.0.0.1:9001`;

try {
  await run();
} catch (error) {
  console.error(messageOf(error));
  process.exitCode = 1;
}

async function run(): Promise<void> {
  const { values } = parseArgs({
    options: {
      port: { type: 'string', default: '9001' },
      host: { type: 'string', default: '127.0.0.1' },
      seed: { type: 'string', default: 'candlekeep' },
      recorded: { type: 'string', multiple: true, default: [] },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return;
  }
  const port = Number(values.port);
  if (!/^\d+$/.test(values.port) || port > 65_535)
    throw new Error(`--port ${values.port}: write a number from 0 to 65535`);
  const recorded = await Promise.all(values.recorded.map(loadRecorded));
  const exchange = new SimulatedExchange({ seed: values.seed, recorded });
  const { origin } = await exchange.listen({ host: values.host, port });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void exchange.close());
  const { spot, perpetuals } = exchange.venue;
  console.log(`simulated exchange on ${origin}, seed "${values.seed}"`);
  console.log(`spot (${spot.size}): ${[...spot.keys()].join(' ')}`);
  console.log(`perpetuals (${perpetuals.size}): ${[...perpetuals.keys()].join(' ')}`);
  for (const { symbol, timeframe, candles } of recorded) {
    console.log(`recorded: ${candles.length} candles of ${symbol} ${timeframe}`);
  }
}

async function loadRecorded(argument: string): Promise<RecordedSeries> {
  const match = /^(.+)=([^=:]+):([^=:]+)$/.exec(argument);
  const [, path = '', symbol = '', timeframe = ''] = match ?? [];
  if (!match) throw new Error(`--recorded ${argument}: write FILE=SYMBOL:TIMEFRAME, such as candles.json=XRP/ETH:1m`);
  return { symbol, timeframe, candles: await loadRecordedCandles(path) };
}
