import { summarize, type Measured } from './latencies.ts';

/** How many requests are in flight at any time. */
export const CONNECTIONS = 16;

/** Runs `request` in `lanes` lanes, each the next one as soon as its last one is answered, for `seconds`. */
export async function measureRounds(
  lanes: number,
  seconds: number,
  request: (lane: number) => Promise<void>,
): Promise<Measured> {
  const latencies: number[] = [];
  const end = performance.now() + seconds * 1000;
  const runLane = async (lane: number) => {
    for (let started = performance.now(); started < end;) {
      await request(lane);
      const now = performance.now();
      latencies.push(now - started);
      started = now;
    }
  };
  await Promise.all(Array.from({ length: lanes }, (_, lane) => runLane(lane)));
  return summarize(latencies);
}
