import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { bareEnvironment } from '../migrations/run-node.ts';
import type { WorkerAnswer, WorkerRequest } from './http-worker.ts';

const WORKER = fileURLToPath(new URL('./http-worker.ts', import.meta.url));

type Answer<Kind> = Extract<WorkerAnswer, { kind: Kind }>;

export interface WorkerProcess extends AsyncDisposable {
  /** Of the service, and of the empty handler. */
  readonly url: string;
  readonly emptyUrl: string;
  /** Asks for one thing and waits for its answer. */
  ask<Kind extends WorkerAnswer['kind']>(request: WorkerRequest, kind: Kind): Promise<Answer<Kind>>;
}

/** Starts `http-worker.ts` on the database. */
export async function startWorkerProcess(databaseUrl: string): Promise<WorkerProcess> {
  const child = fork(WORKER, {
    env: bareEnvironment({
      DATABASE_URL: databaseUrl,
      HOST: '127.0.0.1',
      PORT: '0',
      RATE_LIMIT_PER_MINUTE: '0',
      LOG_LEVEL: 'error',
    }),
  });
  const closed = once(child, 'close');
  const waitFor = async <Kind extends WorkerAnswer['kind']>(kind: Kind): Promise<Answer<Kind>> => {
    const gone = closed.then(() => {
      throw new Error('the process that serves ended');
    });
    const [message] = (await Promise.race([once(child, 'message'), gone])) as [WorkerAnswer];
    if (message.kind !== kind) throw new Error(`it answered ${message.kind} in place of ${kind}`);
    return message as Answer<Kind>;
  };
  const stop = async () => {
    child.kill();
    await closed;
  };
  try {
    const { url, emptyUrl } = await waitFor('ready');
    return {
      url,
      emptyUrl,
      ask: (request, kind) => {
        const answer = waitFor(kind);
        child.send(request);
        return answer;
      },
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
