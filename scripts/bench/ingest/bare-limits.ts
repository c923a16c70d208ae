import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { MINUTE_MS } from '../invented-candles.ts';
import { quantile } from '../report.ts';

/** As many as the service has in flight at most. */
const AT_ONCE = 20;
const PUSHES_WITHIN_MS = 20_000;

export interface BareLimits {
  /** Until the last but one of a hundred closed candles was pushed to a client that does nothing else. */
  readonly pushP99Ms: number;
  /** Until each series was asked for once, with as many requests at once as the service sends. */
  readonly pollMs: number;
}

/** What the simulated exchange on this machine allows, whoever asks: one close by its stream, one round of requests. */
export async function measureBareLimits(origin: string, marketIds: readonly string[]): Promise<BareLimits> {
  const names = marketIds.map((id) => `${id.toLowerCase()}@kline_1m`);
  const socket = new WebSocket(origin.replace(/^http/, 'ws') + '/stream');
  const delays: number[] = [];
  const failed = new Promise<never>((_, reject) => socket.once('error', reject));
  socket.on('message', (bytes: Buffer) => {
    const now = Date.now();
    if (!bytes.includes('"x":true')) return;
    const { data } = JSON.parse(bytes.toString()) as { data: { k: { t: number } } };
    delays.push(now - data.k.t - MINUTE_MS);
  });
  await Promise.race([new Promise((resolve) => socket.once('open', resolve)), failed]);
  socket.send(JSON.stringify({ method: 'SUBSCRIBE', params: names, id: 1 }));
  const closeAt = Math.ceil((Date.now() + 1_000) / MINUTE_MS) * MINUTE_MS;
  await Promise.race([sleep(closeAt - Date.now()), failed]);
  while (delays.length < names.length) {
    if (Date.now() > closeAt + PUSHES_WITHIN_MS)
      throw new Error(`the simulated exchange pushed ${delays.length} of ${names.length} closed candles`);
    await sleep(50);
  }
  socket.terminate();
  const started = performance.now();
  const waiting = [...marketIds];
  await Promise.all(Array.from({ length: AT_ONCE }, () => poll(origin, waiting, closeAt)));
  return { pushP99Ms: quantile(delays, 0.99), pollMs: performance.now() - started };
}

async function poll(origin: string, waiting: string[], closeAt: number): Promise<void> {
  for (let id = waiting.pop(); id !== undefined; id = waiting.pop()) {
    const range = `startTime=${closeAt - 4 * MINUTE_MS}&endTime=${closeAt - 1}&limit=1000`;
    const answer = await fetch(`${origin}/api/v3/klines?symbol=${id}&interval=1m&${range}`);
    const rows = (await answer.json()) as unknown[];
    if (rows.length !== 4) throw new Error(`the simulated exchange answered ${rows.length} candles instead of 4`);
  }
}
