import { setMaxListeners } from 'node:events';

/** The exit code of a run that was interrupted. */
export const INTERRUPTED = 130;

/** Aborts with the first SIGINT or SIGTERM; a second one ends the process as it always does. */
export function abortOnSignals(): AbortSignal {
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal);
  for (const name of ['SIGINT', 'SIGTERM'] as const) process.once(name, () => stopping.abort());
  return stopping.signal;
}
