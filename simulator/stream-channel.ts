import { floorToInterval, nextOpening } from './binance-interval.ts';
import { mixHash, seedOf } from './noise.ts';
import { toKlinePush, type KlinePush, type KlineTopic } from './kline-push.ts';
import type { KlineSource } from './klines.ts';

/** When a stream speaks, by the exchange's clock. */
export interface PushTimes {
  /** The candle in progress is sent this often. */
  readonly intervalMs: number;
  /** The closed one follows its end by this much. */
  readonly closeDelayMs: number;
}

/** One kline stream, whoever is subscribed to it: knows which messages are due. */
export class StreamChannel {
  readonly #topic: KlineTopic;
  readonly #times: PushTimes;
  /** The candle whose end is waited for. */
  #openMs: number;
  #progressDueMs: number;

  constructor(topic: KlineTopic, times: PushTimes, nowMs: number) {
    this.#topic = topic;
    this.#times = times;
    this.#openMs = floorToInterval(nowMs, topic.interval);
    // Streams do not all speak at once.
    this.#progressDueMs = nowMs + (mixHash(seedOf(topic.id), 0) % Math.max(1, times.intervalMs));
  }

  get topic(): KlineTopic {
    return this.#topic;
  }

  /** When the candle in progress will be sent as closed. */
  get closeDueMs(): number {
    return nextOpening(this.#openMs, this.#topic.interval) + this.#times.closeDelayMs;
  }

  /** The messages due by now, oldest first; each is given once. None for times without a candle. */
  takeDue(klines: KlineSource, nowMs: number): KlinePush[] {
    const pushes: KlinePush[] = [];
    while (this.closeDueMs <= nowMs) {
      pushes.push(...this.#read(klines, nowMs, true));
      this.#openMs = nextOpening(this.#openMs, this.#topic.interval);
    }
    if (this.#progressDueMs <= nowMs) {
      this.#progressDueMs = Math.max(this.#progressDueMs + this.#times.intervalMs, nowMs);
      if (floorToInterval(nowMs, this.#topic.interval) === this.#openMs)
        pushes.push(...this.#read(klines, nowMs, false));
    }
    return pushes;
  }

  #read(klines: KlineSource, nowMs: number, isClosed: boolean): KlinePush[] {
    const { interval } = this.#topic;
    const [startMs, endMs] = [this.#openMs, this.#openMs];
    const rows = klines.listKlines({ interval, startMs, endMs, limit: 1, nowMs }) ?? [];
    return rows.map((row) => toKlinePush(row, this.#topic, nowMs, isClosed));
  }
}
