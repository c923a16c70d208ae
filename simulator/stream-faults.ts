import type { KlinePush } from './kline-push.ts';

/** What becomes of a connection; times count from its opening, by the exchange's clock. Looked at again and again. */
export interface ConnectionFate {
  /** The handshake is answered with 503. */
  readonly isRefused?: boolean;
  /** The socket is destroyed without a closing frame. */
  readonly dropAfterMs?: number | undefined;
  /** Nothing is sent any more, no ping and no answer, and the socket stays open. */
  readonly silentAfterMs?: number | undefined;
}

/** Decides how the WebSocket side misbehaves; for tests. */
export interface StreamFaults {
  /** Asked for each connection, `n` being its number since the start (from 0). */
  readonly fateOf: (n: number) => ConnectionFate;
  /** What is sent in place of a message: nothing (skipped), it, or several, each after its delay. */
  readonly replace: (push: KlinePush) => readonly { readonly push: KlinePush; readonly delayMs: number }[];
}

export const NO_STREAM_FAULTS: StreamFaults = {
  fateOf: () => ({}),
  replace: (push) => [{ push, delayMs: 0 }],
};
