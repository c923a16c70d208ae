import { HOUR_MS } from '../../market/moments.ts';
import type { RetryWaits } from '../../retry.ts';

/** What a stream client keeps to. All times pass by the given clock but for the handshake's. */
export interface StreamLimits {
  /** Binance allows 1,024; fewer, so that one lost connection takes few series with it. */
  readonly streamsPerConnection: number;
  /** How many names one SUBSCRIBE holds: a longer message ends the connection with "Payload too long". */
  readonly streamsPerMessage: number;
  /** Between two messages to Binance, which takes five a second, our pongs among them, and hangs up on more. */
  readonly messageSpacingMs: number;
  /** A SUBSCRIBE that is not answered by then: the connection is dropped. */
  readonly answerTimeoutMs: number;
  /** Not even a ping (Binance sends one every 20 s) for so long: the connection is dead, whatever TCP says. */
  readonly silenceMs: number;
  /** Binance ends every connection after 24 hours; the next one is opened before. */
  readonly renewAfterMs: number;
  /** Up to so much earlier, by chance, so that connections opened together are not renewed together. */
  readonly renewSpreadMs: number;
  /** Real milliseconds until the upgrade must have been answered. */
  readonly handshakeTimeoutMs: number;
  /** Attempts to connect in any minute, all connections together. Binance allows 300 in five minutes to an address. */
  readonly connectsPerMinute: number;
  /** Waits between failed attempts. */
  readonly backoff: RetryWaits;
  /** A connection that held so long was a good one: the waits begin anew. */
  readonly steadyAfterMs: number;
}

/** @see https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams (limits, pings, 24 hours) */
export const BINANCE_STREAM_LIMITS: StreamLimits = {
  streamsPerConnection: 200,
  streamsPerMessage: 50,
  messageSpacingMs: 400,
  answerTimeoutMs: 20_000,
  silenceMs: 30_000,
  renewAfterMs: 23.5 * HOUR_MS,
  renewSpreadMs: HOUR_MS,
  handshakeTimeoutMs: 10_000,
  connectsPerMinute: 20,
  backoff: { firstMs: 1_000, maxMs: 60_000 },
  steadyAfterMs: 30_000,
};
