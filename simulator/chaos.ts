import type { Clock } from '../src/clock.ts';
import { MINUTE_MS } from '../src/market/moments.ts';
import { ChaosAnswers } from './chaos-answers.ts';
import { ChaosDice, type FaultSpan } from './chaos-dice.ts';
import { CHAOS_RATES, FAULT_SPANS, type ChaosKind, type ChaosRates } from './chaos-rates.ts';
import { findRowShape, type WireRow } from './chaos-rows.ts';
import { createChaosStreams } from './chaos-streams.ts';
import type { Fault, Intercept, InterceptedRequest } from './fault.ts';
import { banned, throttled } from './request-gate.ts';
import type { StreamFaults } from './stream-faults.ts';
import { refuse, type WireError } from './wire-error.ts';

/** An exchange that misbehaves in every way at once, reproducibly, and never lies about the truth for long. */
export interface Chaos {
  readonly intercept: Intercept;
  readonly streamFaults: StreamFaults;
  /** How often each fault happened: spans once each, all others once for each answer, row or message. */
  readonly counts: Readonly<Record<ChaosKind, number>>;
  /** Requests that came while a 429 with Retry-After, or a 418, had told everybody to wait. */
  readonly ignored: { readonly throttled: number; readonly banned: number };
  /** From now on everything is answered as usual. */
  stop(): void;
}

type FaultSpanKind = keyof typeof FAULT_SPANS;

const HTML = '<html><head><title>Please wait</title></head><body>checking your browser</body></html>';
const SERVER_ERRORS: readonly Fault[] = [
  { status: 500, body: { code: -1000, msg: 'An unknown error occurred while processing the request.' } },
  { status: 502, body: '<html><body><h1>502 Bad Gateway</h1></body></html>' },
  { status: 503, body: { code: -1001, msg: 'Internal error; unable to process your request. Please try again.' } },
  { status: 504, body: '<html><body><h1>504 Gateway Time-out</h1></body></html>' },
];

/**
 * Chaos for a simulated exchange: give it `intercept` and `streamFaults`. What happens to a request is a function of
 * the seed and of its number, what happens to a candle or at a time a function of the seed and of that.
 *
 * @param options `rates` replaces some of `CHAOS_RATES`; 0 switches a kind off. `clock` is the exchange's.
 */
export function createChaos(options: { seed: string; rates?: Partial<ChaosRates>; clock: Pick<Clock, 'now'> }): Chaos {
  return new SeededChaos(options);
}

class SeededChaos implements Chaos {
  readonly intercept: Intercept = (request) => this.#decide(request);
  readonly streamFaults: StreamFaults;
  readonly counts: Record<ChaosKind, number>;
  readonly ignored = { throttled: 0, banned: 0 };
  readonly #rates: ChaosRates;
  readonly #dice: ChaosDice;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #answers: ChaosAnswers;
  readonly #spans = new Set<string>();
  #requests = 0;
  #isStopped = false;

  constructor({ seed, rates, clock }: { seed: string; rates?: Partial<ChaosRates>; clock: Pick<Clock, 'now'> }) {
    this.#rates = { ...CHAOS_RATES, ...rates };
    this.counts = Object.fromEntries(Object.keys(CHAOS_RATES).map((kind) => [kind, 0])) as Record<ChaosKind, number>;
    this.#dice = new ChaosDice(seed);
    this.#clock = clock;
    const shared = {
      dice: this.#dice,
      hits: (kind: ChaosKind, chance: number) => chance < this.#rates[kind],
      count: (kind: ChaosKind) => {
        this.counts[kind]++;
      },
    };
    this.#answers = new ChaosAnswers(shared);
    this.streamFaults = createChaosStreams({
      ...shared,
      isStopped: () => this.#isStopped,
      isVanished: (id) => this.#findSpan('vanished', id) !== null,
    });
  }

  stop(): void {
    this.#isStopped = true;
  }

  #decide(request: InterceptedRequest): Fault | undefined {
    if (this.#isStopped) return undefined;
    const next = this.#dice.sequence(`request:${this.#requests++}`);
    return this.#refuse(request) ?? this.#breakTransport(next) ?? this.#rewrite(request, next);
  }

  /** Refusals that last for a while. */
  #refuse({ query, address }: InterceptedRequest): Fault | null {
    const nowMs = this.#clock.now();
    const ban = this.#findSpan('banned');
    if (ban !== null) {
      if (this.#note('banned', ban)) this.ignored.banned++;
      const error = banned(address, ban.untilMs, nowMs);
      return this.#dice.roll(`header:${ban.startMs}`) < 0.5 ? toFault(error) : { ...toFault(error), headers: {} };
    }
    const throttle = this.#findSpan('throttled');
    if (throttle !== null) {
      if (this.#note('throttled', throttle)) this.ignored.throttled++;
      return toFault(throttled(throttle.untilMs - nowMs));
    }
    const bare = this.#findSpan('throttledBare');
    if (bare !== null) {
      this.#note('throttledBare', bare);
      return toFault(throttled(null));
    }
    const outage = this.#findSpan('outage');
    if (outage !== null) {
      this.#note('outage', outage);
      return SERVER_ERRORS[2] ?? null;
    }
    const id = query.get('symbol');
    const vanished = id === null ? null : this.#findSpan('vanished', id);
    if (id === null || vanished === null) return null;
    this.#note('vanished', vanished, id);
    return toFault(refuse(-1121, 'Invalid symbol.'));
  }

  #breakTransport(next: () => number): Fault | null {
    const [chance, size] = [next(), next()];
    let below = 0;
    const takes = (kind: ChaosKind) => {
      below += this.#rates[kind];
      if (chance >= below) return false;
      this.counts[kind]++;
      return true;
    };
    if (takes('tooMany')) return toFault(throttled(null));
    if (takes('serverError')) return SERVER_ERRORS[Math.floor(size * SERVER_ERRORS.length)] ?? null;
    if (takes('html')) return { status: 200, headers: { 'content-type': 'text/html' }, body: HTML };
    if (takes('cutJson')) return { cutTextAfter: 1 + Math.floor(size * 2_000) };
    if (takes('cutSocket')) return { cutAfterBytes: Math.floor(size * 2_000) };
    if (takes('stalledHead')) return { stall: 'headers' };
    if (takes('stalledBody')) return { stall: 'body' };
    if (takes('slow')) return { slowMs: 500 + Math.floor(size * 4_000) };
    return null;
  }

  #rewrite(request: InterceptedRequest, next: () => number): Fault | undefined {
    const nowMs = this.#clock.now();
    const [isTimeWrong, isDateWrong, distance, side] = [
      next() < this.#rates.wrongTime && request.path.endsWith('/time'),
      next() < this.#rates.wrongDate,
      next(),
      next(),
    ];
    const offMs = Math.round((1 + 19 * distance) * MINUTE_MS) * (side < 0.5 ? -1 : 1);
    if (isDateWrong) this.counts.wrongDate++;
    if (isTimeWrong) this.counts.wrongTime++;
    const headers = isDateWrong ? { date: new Date(nowMs + offMs).toUTCString() } : {};
    const shape = findRowShape(request);
    return {
      headers,
      rewrite: (json) => {
        if (shape !== null && Array.isArray(json))
          return this.#answers.rewrite(json as readonly WireRow[], shape, nowMs, next);
        if (isTimeWrong) return { serverTime: nowMs + offMs };
        return request.path.endsWith('/exchangeInfo') ? this.#hideVanished(json) : json;
      },
    };
  }

  #hideVanished(json: unknown): unknown {
    const { symbols } = json as { symbols: readonly { symbol: string }[] };
    const shown = symbols.filter(({ symbol }) => {
      const span = this.#findSpan('vanished', symbol);
      if (span !== null) this.#note('vanished', span, symbol);
      return span === null;
    });
    return { ...(json as object), symbols: shown };
  }

  #findSpan(kind: FaultSpanKind, id = ''): FaultSpan | null {
    if (this.#isStopped) return null;
    return this.#dice.findSpan(`${kind}:${id}`, this.#rates[kind], FAULT_SPANS[kind], this.#clock.now());
  }

  /** Counts the span at its first request; whether it was counted before. */
  #note(kind: FaultSpanKind, { startMs }: FaultSpan, id = ''): boolean {
    const key = `${kind}:${id}:${startMs}`;
    if (this.#spans.has(key)) return true;
    this.#spans.add(key);
    this.counts[kind]++;
    return false;
  }
}

function toFault({ status, body, headers }: WireError): Extract<Fault, { status: number }> {
  return { status, body, headers };
}
