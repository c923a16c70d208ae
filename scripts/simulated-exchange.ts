import { parseArgs } from 'node:util';
import { messageOf } from '../src/errors.ts';
import { createChaos, type Chaos } from '../simulator/chaos.ts';
import { createFastClock } from '../simulator/fast-clock.ts';
import { loadRecordedCandles, type RecordedSeries } from '../simulator/recorded-candles.ts';
import { SimulatedExchange } from '../simulator/simulated-exchange.ts';
import { limitsForSpeed } from '../simulator/stream-server.ts';
import { DEFAULT_MARKETS, inventMarkets } from '../simulator/symbol-catalogue.ts';

const HELP = `Serves invented or recorded candles by Binance's wire protocol, REST and WebSocket. No network, no account.

  npm run simulated-exchange -- [--port N] [--host ADDRESS] [--seed TEXT] [--recorded FILE=SYMBOL:TIMEFRAME]...
                                [--markets N] [--speed N] [--chaos SEED]

  --port      the port to open (9001; 0 takes a free one)
  --host      the address to open it on (127.0.0.1: reachable from this machine only)
  --seed      the same seed gives the same history (candlekeep)
  --recorded  serve the candles in FILE too, as in --recorded candles.json=XRP/ETH:1m; may be given several times.
              FILE is a JSON array of [ms, open, high, low, close, volume]
  --markets   list N more invented markets, M001/USDT and so on (0)
  --speed     let its time run N times as fast from now on (1); who talks to it needs a clock as fast
  --chaos     misbehave: refusals, bans, outages, broken and slow answers, withheld, shifted, doubled and revised rows, wrong
              clocks, symbols that vanish, streams that break or fall silent. The same SEED misbehaves in the same way;
              SIGUSR2 ends it, and what it did is printed then and at the end
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
      markets: { type: 'string', default: '0' },
      speed: { type: 'string', default: '1' },
      chaos: { type: 'string' },
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
  const speed = readNumber('--speed', values.speed, 1_000);
  const clock = createFastClock({ speed, startMs: Date.now() });
  const chaos = values.chaos === undefined ? null : createChaos({ seed: values.chaos, clock });
  const exchange = new SimulatedExchange({
    seed: values.seed,
    clock,
    stream: limitsForSpeed(speed),
    recorded,
    symbols: [...DEFAULT_MARKETS, ...inventMarkets(readNumber('--markets', values.markets, 10_000))],
    ...(chaos === null ? {} : { intercept: chaos.intercept, streamFaults: chaos.streamFaults }),
  });
  const { origin } = await exchange.listen({ host: values.host, port });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      if (chaos !== null) printChaos(chaos);
      void exchange.close();
    });
  if (chaos !== null)
    process.on('SIGUSR2', () => {
      chaos.stop();
      printChaos(chaos);
    });
  const { spot, perpetuals } = exchange.venue;
  console.log(`simulated exchange on ${origin}, seed "${values.seed}"`);
  if (chaos !== null) console.log(`it misbehaves by the seed "${values.chaos}" until SIGUSR2`);
  console.log(`spot (${spot.size}): ${[...spot.keys()].join(' ')}`);
  console.log(`perpetuals (${perpetuals.size}): ${[...perpetuals.keys()].join(' ')}`);
  for (const { symbol, timeframe, candles } of recorded) {
    console.log(`recorded: ${candles.length} candles of ${symbol} ${timeframe}`);
  }
}

/** @throws Error where the text is no whole number from 0 (1 for a speed) to `most`. */
function readNumber(option: string, text: string, most: number): number {
  const least = option === '--speed' ? 1 : 0;
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < least || value > most)
    throw new Error(`${option} ${text}: write a whole number from ${least} to ${most}`);
  return value;
}

function printChaos({ counts, ignored }: Chaos): void {
  const happened = Object.entries(counts).filter(([, count]) => count > 0);
  console.log(`chaos so far: ${happened.map(([kind, count]) => `${kind} ${count}`).join(', ') || 'nothing'}`);
  console.log(`requests that ignored a 429: ${ignored.throttled}, a ban: ${ignored.banned}`);
}

async function loadRecorded(argument: string): Promise<RecordedSeries> {
  const match = /^(.+)=([^=:]+):([^=:]+)$/.exec(argument);
  const [, path = '', symbol = '', timeframe = ''] = match ?? [];
  if (!match) throw new Error(`--recorded ${argument}: write FILE=SYMBOL:TIMEFRAME, such as candles.json=XRP/ETH:1m`);
  return { symbol, timeframe, candles: await loadRecordedCandles(path) };
}
