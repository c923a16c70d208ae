import type { CandleAnswer, SeriesName } from './answers.ts';

/** `live`: candles come as they are stored; `polling`: the stream is not to be had, the page asks instead. */
export type LinkState = 'connecting' | 'live' | 'polling';

export interface LiveFeedDeps {
  readonly onCandle: (name: SeriesName, candle: CandleAnswer) => void;
  /** What is stored or missing changed otherwise, or events were lost: ask again. */
  readonly onDoubt: () => void;
  /** The state of the service changed. */
  readonly onHealth: () => void;
  readonly onState: (state: LinkState) => void;
}

const PATH = '/v1/stream';
/** The browser reconnects by itself after a broken connection, but not after a refusal. */
const RETRY_MS = 15_000;

/** The service's stream of candles. It begins again for ever; meanwhile the page polls. */
export class LiveFeed {
  readonly #deps: LiveFeedDeps;
  #source: EventSource | null = null;

  constructor(deps: LiveFeedDeps) {
    this.#deps = deps;
  }

  start(): void {
    this.stop();
    const source = (this.#source = new EventSource(PATH));
    source.addEventListener('open', () => {
      this.#deps.onState('live');
      // What was stored while nobody listened.
      this.#deps.onDoubt();
    });
    source.addEventListener('error', () => {
      this.#deps.onState('polling');
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(() => {
        if (this.#source === source) this.start();
      }, RETRY_MS);
    });
    for (const kind of ['candle', 'revision'])
      source.addEventListener(kind, (event: MessageEvent) => {
        const told = readCandle(event.data);
        if (told === null) this.#deps.onDoubt();
        else this.#deps.onCandle(told.name, told.candle);
      });
    source.addEventListener('health', () => this.#deps.onHealth());
    for (const kind of ['history', 'gap', 'reset', 'dropped'])
      source.addEventListener(kind, () => this.#deps.onDoubt());
  }

  stop(): void {
    this.#source?.close();
    this.#source = null;
  }
}

/** null where an event does not hold what a candle needs: then it is better to ask. */
function readCandle(data: unknown): { readonly name: SeriesName; readonly candle: CandleAnswer } | null {
  try {
    const { new: values, ...event } = JSON.parse(String(data)) as Record<string, unknown>;
    // A revision tells the old values and the new ones.
    const told: Record<string, unknown> = { ...event, ...(values as object | undefined) };
    const fields = ['exchange', 'symbol', 'timeframe', 'timestamp', 'open', 'high', 'low', 'close', 'volume'];
    if (!fields.every((field) => typeof told[field] === 'string')) return null;
    const { exchange, symbol, timeframe, timestamp, open, high, low, close, volume } = told as unknown as SeriesName &
      CandleAnswer;
    return { name: { exchange, symbol, timeframe }, candle: { timestamp, open, high, low, close, volume } };
  } catch {
    return null;
  }
}
