import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ExchangeOrder, ExchangeReady, ExchangeTally } from './exchange-process.ts';

const EXCHANGE = fileURLToPath(new URL('./exchange-process.ts', import.meta.url));

export interface ExchangeControl extends Disposable {
  readonly origin: string;
  readonly pid: number;
  count(): Promise<ExchangeTally>;
  /** Cuts the live streams, and refuses new ones from now on. */
  refuseStreams(): Promise<ExchangeTally>;
}

/** Starts the simulated exchange with `markets` invented markets and REST answers over `latencyMs`; disposing ends it. */
export async function startExchange(markets: number, latencyMs: number): Promise<ExchangeControl> {
  const child = fork(EXCHANGE, [String(markets), String(latencyMs)]);
  const receive = async () => {
    const [message] = (await Promise.race([once(child, 'message'), failOnExit(child)])) as [unknown];
    return message;
  };
  const order = async (text: ExchangeOrder) => {
    const answer = receive();
    child.send(text);
    return (await answer) as ExchangeTally;
  };
  const { origin } = (await receive()) as ExchangeReady;
  return {
    origin,
    pid: child.pid ?? 0,
    count: () => order('count'),
    refuseStreams: () => order('refuse streams'),
    [Symbol.dispose]: () => child.kill(),
  };
}

async function failOnExit(child: ReturnType<typeof fork>): Promise<never> {
  const [code] = (await once(child, 'exit')) as [number | null];
  throw new Error(`the simulated exchange ended with code ${String(code)}`);
}
