import type { Clock } from '../../clock.ts';
import { messageOf } from '../../errors.ts';
import type { Logger } from '../../logger.ts';
import { timeframeMs, type Timeframe } from '../../market/timeframe.ts';
import { backoffMs } from '../../retry.ts';
import { raceAbort } from '../kit/abort.ts';
import type { CandleStream, CandleStreamListener, StreamState } from '../exchange.ts';
import { assignStreams } from './assign-streams.ts';
import { ConnectPace } from './connect-pace.ts';
import { judgePush } from './judge-push.ts';
import type { ClosedPush, MisshapenPush } from './read-message.ts';
import { SeriesFlow } from './series-flow.ts';
import { StreamLine } from './stream-line.ts';
import { BINANCE_STREAM_LIMITS, type StreamLimits } from './stream-limits.ts';
import { toStreamName } from './stream-names.ts';

export interface BinanceCandleStreamDeps {
  /** Where combined streams are served, see `toStreamUrl`. */
  readonly url: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The exchange's id of a spot market, such as `BTCUSDT`; null where it lists none. May throw: asked again later. */
  readonly findMarketId: (symbol: string, signal: AbortSignal) => Promise<string | null>;
  /** The exchange's clock in epoch milliseconds, null before it is known. */
  readonly exchangeNow: () => number | null;
  /** Other limits than Binance's own. */
  readonly limits?: Partial<StreamLimits>;
}

/** So many refused series are named; the others are counted. */
const NAMED_REFUSALS = 5;

type StreamSeries = Parameters<CandleStream['subscribe']>[0][number];

/** A line and its end. */
interface RunningLine {
  readonly line: StreamLine;
  readonly controller: AbortController;
}

/**
 * Binance's live candles over combined raw streams: only what is pushed as closed, every digit as it was sent. Silence
 * and skipped candles are noticed and told; nothing that it misses is asked for here.
 *
 * @see https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
 */
export class BinanceCandleStream implements CandleStream {
  readonly #deps: BinanceCandleStreamDeps;
  readonly #limits: StreamLimits;
  #wanted: readonly StreamSeries[] = [];
  #changed = Promise.withResolvers<undefined>();
  #listener: CandleStreamListener | null = null;
  /** By the stream's name. */
  #flows = new Map<string, SeriesFlow>();
  /** By symbol and timeframe. */
  #streamOf = new Map<string, string>();
  #lines: RunningLine[] = [];
  #retiredReconnects = 0;
  #received = 0;
  #lastMessageAt: number | null = null;
  #lastError: string | null = null;

  constructor(deps: BinanceCandleStreamDeps) {
    this.#deps = deps;
    this.#limits = { ...BINANCE_STREAM_LIMITS, ...deps.limits };
  }

  subscribe(series: readonly StreamSeries[]): void {
    this.#wanted = [...series];
    this.#changed.resolve(undefined);
  }

  isLive(symbol: string, timeframe: Timeframe): boolean {
    const stream = this.#streamOf.get(keyOf(symbol, timeframe));
    return stream !== undefined && this.#lines.some(({ line }) => line.isLive(stream));
  }

  state(): StreamState {
    const lines = this.#lines.map(({ line }) => line);
    const isCarried = (stream: string): boolean => lines.some((line) => line.carries(stream));
    const subscribed = [...this.#flows.keys()].filter(isCarried).length;
    const failure = this.#lastError ?? lines.find((line) => line.lastError !== null)?.lastError ?? null;
    const refusal = this.#describeRefused();
    const isAnswered = this.#listener !== null && lines.length > 0 && lines.every((line) => line.isUp);
    const isLive = isAnswered && this.#lastError === null && subscribed > 0;
    const isDown = subscribed === 0 && (failure !== null || (isAnswered && refusal !== null));
    return {
      state: isLive ? 'live' : isDown ? 'down' : 'connecting',
      subscribed,
      connections: lines.reduce((sum, line) => sum + line.connections, 0),
      reconnects: lines.reduce((sum, line) => sum + line.reconnects, this.#retiredReconnects),
      received: this.#received,
      last_message_at: this.#lastMessageAt === null ? null : new Date(this.#lastMessageAt).toISOString(),
      last_error: failure ?? refusal,
    };
  }

  /** Which series the exchange refuses to push, in words; null where it refuses none. */
  #describeRefused(): string | null {
    const refused: string[] = [];
    let reason = '';
    for (const [stream, { symbol, timeframe }] of this.#flows) {
      const told = this.#lines.map(({ line }) => line.refusalOf(stream)).find((text) => text !== undefined);
      if (told === undefined) continue;
      refused.push(`${symbol} ${timeframe}`);
      reason = told;
    }
    if (refused.length === 0) return null;
    const names = refused.slice(0, NAMED_REFUSALS).join(', ');
    const more = refused.length > NAMED_REFUSALS ? `, … (${refused.length})` : '';
    return `the exchange refused ${refused.length} of ${this.#flows.size} series: ${names}${more}: ${reason}`;
  }

  /** @throws Error where it runs already, or whatever a listener threw. */
  async run(listener: CandleStreamListener, signal: AbortSignal): Promise<void> {
    if (this.#listener !== null) throw new Error('the candle stream runs already');
    this.#listener = listener;
    const controller = new AbortController();
    const either = AbortSignal.any([signal, controller.signal]);
    const ends = new Set<Promise<void>>();
    const pace = new ConnectPace({ clock: this.#deps.clock, perMinute: this.#limits.connectsPerMinute });
    try {
      await this.#follow(
        (line, own) => {
          const end = line.run(AbortSignal.any([either, own])).catch((error: unknown) => controller.abort(error));
          ends.add(end);
          void end.then(() => ends.delete(end));
        },
        either,
        pace,
      );
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      controller.abort();
      await Promise.all(ends);
      this.#lines = [];
      this.#listener = null;
    }
  }

  /** Brings the lines in line with what is wanted, again and again. Rejects with the signal's reason. */
  async #follow(
    start: (line: StreamLine, own: AbortSignal) => void,
    signal: AbortSignal,
    pace: ConnectPace,
  ): Promise<never> {
    for (let failures = 0; ;) {
      this.#changed = Promise.withResolvers();
      try {
        await this.#resolve(signal);
        failures = 0;
        this.#lastError = null;
      } catch (error) {
        signal.throwIfAborted();
        this.#lastError = messageOf(error);
        this.#deps.logger.warn({ error: this.#lastError }, 'live stream could not look up its markets');
        await this.#deps.clock.sleep(backoffMs(++failures, this.#limits.backoff), signal);
        continue;
      }
      this.#assign(start, pace);
      await raceAbort(this.#changed.promise, signal);
    }
  }

  async #resolve(signal: AbortSignal): Promise<void> {
    const flows = new Map<string, SeriesFlow>();
    const streamOf = new Map<string, string>();
    const ids = new Map<string, string | null>();
    for (const { symbol, timeframe } of this.#wanted) {
      let marketId = ids.get(symbol);
      if (marketId === undefined) {
        marketId = await this.#deps.findMarketId(symbol, signal);
        ids.set(symbol, marketId);
      }
      const stream = marketId === null ? null : toStreamName(marketId, timeframe);
      if (marketId === null || stream === null) continue;
      flows.set(stream, this.#flows.get(stream) ?? new SeriesFlow({ symbol, timeframe, marketId, stream }));
      streamOf.set(keyOf(symbol, timeframe), stream);
    }
    this.#flows = flows;
    this.#streamOf = streamOf;
  }

  #assign(start: (line: StreamLine, own: AbortSignal) => void, pace: ConnectPace): void {
    const current = this.#lines.map(({ line }) => line.streams);
    const sets = assignStreams(current, new Set(this.#flows.keys()), this.#limits.streamsPerConnection);
    const kept: RunningLine[] = [];
    for (const [index, streams] of sets.entries()) {
      const running = this.#lines[index];
      if (streams.size === 0) {
        this.#retiredReconnects += running?.line.reconnects ?? 0;
        running?.controller.abort();
      } else if (running !== undefined) {
        running.line.want(streams);
        kept.push(running);
      } else {
        const line = this.#createLine(pace);
        line.want(streams);
        const controller = new AbortController();
        kept.push({ line, controller });
        start(line, controller.signal);
      }
    }
    this.#lines = kept;
  }

  #createLine(pace: ConnectPace): StreamLine {
    return new StreamLine({
      url: this.#deps.url,
      clock: this.#deps.clock,
      logger: this.#deps.logger,
      limits: this.#limits,
      pace,
      onMessage: () => (this.#lastMessageAt = this.#deps.clock.now()),
      onPush: (push) => this.#take(push),
      onCarried: (streams) => this.#resume(streams),
      onLost: (streams) => this.#lose(streams),
      onRefused: (stream, error) =>
        this.#deps.logger.warn({ stream, error }, 'exchange refused a live stream; REST polling goes on'),
      quietestMs: (streams) => this.#quietestMs(streams),
    });
  }

  #take(push: ClosedPush | MisshapenPush): void {
    const flow = this.#flows.get(push.stream);
    // No longer wanted: what was under way when it was unsubscribed.
    if (flow === undefined) return;
    const { symbol, timeframe, marketId } = flow;
    if (push.kind === 'misshapen') {
      const claim = push.timestamp === null ? {} : { timestamp: push.timestamp };
      this.#listener?.onRejected(symbol, timeframe, { raw: push.raw, reason: push.reason, ...claim });
      return;
    }
    const candle = judgePush(push, { marketId, timeframe, nowMs: this.#deps.exchangeNow() });
    if (typeof candle === 'string') {
      const { raw, timestamp } = push;
      this.#listener?.onRejected(symbol, timeframe, { raw, reason: candle, timestamp });
      return;
    }
    const { isRepeated, isAfterGap } = flow.take(candle);
    if (isRepeated) return;
    this.#received++;
    if (isAfterGap) this.#listener?.onGap([{ symbol, timeframe }]);
    this.#listener?.onCandle({ symbol, timeframe, candle });
  }

  #lose(streams: readonly string[]): void {
    const flows = this.#flowsOf(streams);
    for (const flow of flows) flow.lose(this.#now());
    if (flows.length > 0) this.#listener?.onGap(flows.map(({ symbol, timeframe }) => ({ symbol, timeframe })));
  }

  #resume(streams: readonly string[]): void {
    const flows = this.#flowsOf(streams);
    const missed = flows.filter((flow) => flow.resume(this.#now()));
    this.#deps.logger.debug({ series: flows.length, missed: missed.length }, 'live stream carries series');
    this.#listener?.onLive();
    if (missed.length > 0) this.#listener?.onGap(missed.map(({ symbol, timeframe }) => ({ symbol, timeframe })));
  }

  #flowsOf(streams: readonly string[]): SeriesFlow[] {
    return streams.map((stream) => this.#flows.get(stream)).filter((flow) => flow !== undefined);
  }

  #now(): number {
    return this.#deps.exchangeNow() ?? this.#deps.clock.now();
  }

  /** A traded market pushes every two seconds, and any market at the end of a candle. */
  #quietestMs(streams: ReadonlySet<string>): number {
    let shortest = Infinity;
    for (const { timeframe } of this.#flowsOf([...streams])) shortest = Math.min(shortest, timeframeMs(timeframe));
    return shortest;
  }
}

function keyOf(symbol: string, timeframe: Timeframe): string {
  return `${symbol} ${timeframe}`;
}
