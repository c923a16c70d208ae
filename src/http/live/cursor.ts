/**
 * A place in the stream, as an event's `id:` names it: everything that was stored before `at` (epoch ms by the
 * database's clock) and every rewritten candle up to `revision` was told, and in the journal of `run` everything up to
 * `sequence`.
 */
export interface Cursor {
  /** Tells one run of one process from another: only there does `sequence` mean anything. */
  readonly run: string;
  readonly sequence: number;
  readonly at: number;
  readonly revision: string;
}

/** The text of an `id:` line. */
export function formatCursor({ run, sequence, at, revision }: Cursor): string {
  return `${run}.${sequence}.${at}.${revision}`;
}

/** Reads what `formatCursor` wrote; null where the text is nothing of the kind. */
export function parseCursor(text: string): Cursor | null {
  const match = /^([a-z0-9]{1,16})\.(\d{1,15})\.(\d{1,15})\.(\d{1,18})$/.exec(text);
  if (!match) return null;
  const [, run = '', sequence, at, revision = '0'] = match;
  return { run, sequence: Number(sequence), at: Number(at), revision };
}
