import { ExchangeRejectedError, ExchangeUnavailableError, messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { backoffMs } from '../../retry.ts';
import { ACCESS_WAITS } from '../kit/access-waits.ts';
import { raceAbort } from '../kit/abort.ts';
import type { ConnectPace } from './connect-pace.ts';
import { StreamConnection, type StreamConnectionDeps } from './stream-connection.ts';

export interface StreamLineDeps extends Omit<StreamConnectionDeps, 'onCarried'> {
  readonly logger: Logger;
  readonly pace: ConnectPace;
  /** A connection carries these now, and none of this line did before. */
  readonly onCarried: (streams: readonly string[]) => void;
  /** The connection that carried these ended, and no other carries them. */
  readonly onLost: (streams: readonly string[], reason: string) => void;
}

/** A set of streams that one connection carries, and its successor after it, for as long as the line runs. */
export class StreamLine {
  readonly #deps: StreamLineDeps;
  /** One; two while the next one takes over; none while there is no connection. */
  readonly #connections = new Set<StreamConnection>();
  #streams: ReadonlySet<string> = new Set();
  #reconnects = 0;
  #lastError: string | null = null;

  constructor(deps: StreamLineDeps) {
    this.#deps = deps;
  }

  get streams(): ReadonlySet<string> {
    return this.#streams;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Connections that were opened after one was lost; renewals are none. */
  get reconnects(): number {
    return this.#reconnects;
  }

  /** Whether a connection is up and has been answered all that it asked for at its start. */
  get isUp(): boolean {
    for (const connection of this.#connections) if (connection.isSettled) return true;
    return false;
  }

  /** Why the last connection ended or could not be opened; null while one is up. */
  get lastError(): string | null {
    return this.#lastError;
  }

  want(streams: ReadonlySet<string>): void {
    this.#streams = streams;
    for (const connection of this.#connections) connection.want(streams);
  }

  carries(stream: string): boolean {
    for (const connection of this.#connections) if (connection.carries(stream)) return true;
    return false;
  }

  /** Why the exchange refused this stream; undefined where it did not, or a connection carries it all the same. */
  refusalOf(stream: string): string | undefined {
    if (this.carries(stream)) return undefined;
    let reason: string | undefined;
    for (const connection of this.#connections) reason = connection.refusalOf(stream) ?? reason;
    return reason;
  }

  /** Whether it is carried by a connection that pushed something lately. */
  isLive(stream: string): boolean {
    for (const connection of this.#connections) if (connection.carries(stream) && connection.isPushing) return true;
    return false;
  }

  /** Resolves when the signal has aborted and all is closed. Rejects only where a listener of ours threw. */
  async run(signal: AbortSignal): Promise<void> {
    const ends = new Set<Promise<void>>();
    const controller = new AbortController();
    try {
      await this.#keep(ends, (error) => controller.abort(error), AbortSignal.any([signal, controller.signal]));
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      for (const connection of this.#connections) connection.close('the stream was stopped');
      await Promise.all(ends);
    }
  }

  async #keep(ends: Set<Promise<void>>, fail: (error: unknown) => void, signal: AbortSignal): Promise<void> {
    let failures = 0;
    let previous: StreamConnection | null = null;
    for (let isFirst = true; ;) {
      const connection = await this.#open(failures, signal);
      if (connection === null) {
        failures++;
        continue;
      }
      if (!isFirst && previous?.isOpen !== true) this.#reconnects++;
      isFirst = false;
      const openedAt = this.#deps.clock.now();
      const end = this.#follow(connection, signal).catch(fail);
      ends.add(end);
      void end.then(() => ends.delete(end));
      await raceAbort(Promise.race([connection.settled, end]), signal);
      if (connection.isOpen) {
        // Only now: make before break.
        previous?.close('a newer connection took over');
        previous = connection;
        this.#lastError = null;
        await this.#untilDue(connection, end, signal);
      }
      const heldMs = this.#deps.clock.now() - openedAt;
      failures = connection.isOpen || heldMs >= this.#deps.limits.steadyAfterMs ? 0 : failures + 1;
      if (failures > 0 || !connection.isOpen) await this.#pause(Math.max(1, failures), signal);
    }
  }

  /** Null: it could not be opened, and the wait is over. */
  async #open(failures: number, signal: AbortSignal): Promise<StreamConnection | null> {
    const { pace, clock, logger } = this.#deps;
    await pace.take(signal);
    try {
      const connection: StreamConnection = await StreamConnection.open(
        { ...this.#deps, onCarried: (streams) => this.#onCarried(connection, streams) },
        signal,
      );
      this.#connections.add(connection);
      connection.want(this.#streams);
      return connection;
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof ExchangeUnavailableError || error instanceof ExchangeRejectedError)) throw error;
      this.#lastError = messageOf(error);
      const waitMs = waitAfter(error, failures);
      if (waitMs !== null) pace.blockUntil(clock.now() + waitMs);
      // The first says what is wrong; an outage of hours must not fill the log.
      const level = failures % 10 === 0 ? 'warn' : 'debug';
      logger[level]({ error: this.#lastError, failures: failures + 1, waitMs }, 'live stream could not be opened');
      await this.#pause(failures + 1, signal);
      return null;
    }
  }

  /** Keeps the account of what a connection carried when it ends. */
  async #follow(connection: StreamConnection, signal: AbortSignal): Promise<void> {
    try {
      const reason = await connection.ended;
      this.#connections.delete(connection);
      if (signal.aborted) return;
      const lost = [...connection.carried].filter((stream) => this.#streams.has(stream) && !this.carries(stream));
      if (lost.length === 0) return;
      this.#lastError = reason;
      this.#deps.logger.warn({ error: reason, series: lost.length }, 'live stream lost a connection');
      this.#deps.onLost(lost, reason);
    } finally {
      this.#connections.delete(connection);
    }
  }

  /** Until the connection ended or needs a successor. */
  async #untilDue(connection: StreamConnection, end: Promise<void>, signal: AbortSignal): Promise<void> {
    const { clock, limits } = this.#deps;
    const waiting = new AbortController();
    const renewal = clock.sleep(
      limits.renewAfterMs - Math.random() * limits.renewSpreadMs,
      AbortSignal.any([signal, waiting.signal]),
    );
    try {
      await Promise.race([renewal, connection.shutdown, end]);
    } finally {
      waiting.abort();
    }
  }

  async #pause(failures: number, signal: AbortSignal): Promise<void> {
    await this.#deps.clock.sleep(backoffMs(failures, this.#deps.limits.backoff), signal);
  }

  #onCarried(connection: StreamConnection, streams: readonly string[]): void {
    const others = [...this.#connections].filter((other) => other !== connection);
    const fresh = streams.filter((stream) => !others.some((other) => other.carries(stream)));
    if (fresh.length > 0) this.#deps.onCarried(fresh);
  }
}

/** What the exchange said, else what an exchange is left alone for that did not say it; null where only we choose. */
function waitAfter(error: ExchangeUnavailableError | ExchangeRejectedError, failures: number): number | null {
  const reason = error instanceof ExchangeRejectedError ? 'refused' : error.reason;
  const saidMs = error instanceof ExchangeRejectedError ? null : error.retryAfterMs;
  if (reason !== 'refused' && reason !== 'banned' && reason !== 'throttled') return saidMs;
  const { firstMs, maxMs } = ACCESS_WAITS[reason];
  return saidMs ?? Math.min(maxMs, firstMs * 2 ** failures);
}
