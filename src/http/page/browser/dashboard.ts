import { forgetUnknownSeries, readAddress, tellUnknownSeries, writeAddress } from './address.ts';
import {
  nameKey,
  type CandleAnswer,
  type CoverageObject,
  type CoverageSummary,
  type HealthDocument,
  type QuarantinedAnswer,
  type SeriesName,
  type SeriesObject,
} from './answers.ts';
import { showErrors, showExchanges, showGaps, showSchema } from './cards.ts';
import { ChartPanel } from './chart-panel.ts';
import { byId, setText } from './element.ts';
import { LiveFeed, type LinkState } from './live-feed.ts';
import { showOverview } from './overview.ts';
import { fetchJson, pathTo, RequestFailure } from './service.ts';
import { createRows } from './series-rows.ts';
import { SeriesTable } from './series-table.ts';
import { Turn } from './turn.ts';

const HEALTH_MS = 5000;
/** While it starts or is away somebody sits and waits. */
const IMPATIENT_MS = 1500;
const SERIES_MS = 15_000;
const LEDGER_MS = 30_000;
const GAPS_SHOWN = 200;
const TABLE_MS = 100;

const LINK_WORDS: Readonly<Record<LinkState | 'silent' | 'waiting', readonly [tone: string, text: string]>> = {
  connecting: ['quiet', 'connecting'],
  live: ['good', 'live'],
  polling: ['warn', 'polling'],
  silent: ['bad', 'no answer'],
  waiting: ['quiet', 'waiting'],
};

/** Asks the service, listens to it, and passes what it says on to the parts of the page. */
export class Dashboard {
  #health: HealthDocument | null = null;
  #silence: { message: string; lastAnswerAt: number | null } | null = null;
  #series: readonly SeriesObject[] = [];
  #hasSeries = false;
  #summaries: readonly CoverageSummary[] = [];
  #gaps: readonly CoverageObject[] = [];
  #quarantined: readonly QuarantinedAnswer[] = [];
  /** Whether it was read, whether it knows of any series, and whether there are more gaps than were read. */
  #ledger = { isRead: false, isKnown: false, isMore: false };
  #link: LinkState = 'connecting';
  /** The service's clock less ours. */
  #skewMs = 0;
  #wanted = readAddress();
  #isDrawing = false;
  readonly #table = new SeriesTable({ onSelect: (key) => void this.#select(key) });
  readonly #panel = new ChartPanel({
    now: () => this.#now(),
    onTimeframe: (timeframe) => {
      const name = this.#panel.name;
      if (name) this.#select(nameKey({ ...name, timeframe }));
    },
  });
  readonly #healthTurn = new Turn(() => this.#askHealth(), HEALTH_MS);
  readonly #seriesTurn = new Turn(() => this.#askSeries(), SERIES_MS);
  readonly #ledgerTurn = new Turn(() => this.#askLedger(), LEDGER_MS);
  readonly #feed = new LiveFeed({
    onCandle: (name, candle) => this.#take(name, candle),
    onDoubt: () => {
      this.#seriesTurn.soon();
      this.#ledgerTurn.soon();
    },
    onHealth: () => this.#healthTurn.soon(),
    onState: (state) => {
      this.#link = state;
      this.#showLink();
    },
  });

  start(): void {
    byId('gaps').addEventListener('click', ({ target }) => {
      const entry = target instanceof Element ? target.closest<HTMLElement>('[data-key]') : null;
      const gap = this.#gaps[Number(entry?.dataset['key'])];
      if (entry && gap) this.#openGap(gap);
    });
    window.addEventListener('hashchange', () => {
      const wanted = readAddress();
      if (wanted === null || wanted === this.#selectedKey()) return;
      if (this.#panel.name === null) this.#wanted = wanted;
      else if (!this.#select(wanted)) this.#refuse(wanted);
    });
    document.addEventListener('visibilitychange', () => {
      for (const turn of [this.#healthTurn, this.#seriesTurn, this.#ledgerTurn])
        if (document.hidden) turn.pause();
        else turn.resume();
    });
    showGaps([], { ...this.#ledger, isNow: true, lost: 0 });
    this.#healthTurn.soon();
  }

  recolour(): void {
    this.#panel.recolour();
  }

  async #askHealth(): Promise<number> {
    const wasServing = this.#isServing();
    try {
      // 503 tells how it is too: starting, stopping or unhealthy.
      const health = await fetchJson<HealthDocument>('/health', undefined, [503]);
      this.#health = health;
      this.#silence = null;
      this.#skewMs = Date.parse(health.timestamp) - Date.now();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      this.#silence = { message, lastAnswerAt: this.#health ? Date.parse(this.#health.timestamp) : null };
    }
    if (this.#isServing() && !wasServing) {
      this.#seriesTurn.soon();
      this.#ledgerTurn.soon();
      this.#feed.start();
    }
    if (!this.#isServing() && this.#series.length === 0 && this.#health !== null)
      this.#panel.showEmpty(
        'Not yet',
        `The chart appears as soon as ${this.#health.phase === 'running' ? 'the database answers' : 'the service runs'}.`,
      );
    this.#showAll();
    return this.#isServing() ? HEALTH_MS : IMPATIENT_MS;
  }

  async #askSeries(): Promise<number> {
    if (!this.#isServing()) return SERIES_MS;
    try {
      this.#series = (await fetchJson<{ data: readonly SeriesObject[] }>('/v1/series')).data;
      this.#hasSeries = true;
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      // The next question is close; health says what is the matter.
      this.#healthTurn.soon();
      return SERIES_MS;
    }
    if (this.#panel.name === null) this.#openFirst();
    this.#showAll();
    await this.#panel.refresh();
    return this.#link === 'live' ? SERIES_MS : HEALTH_MS;
  }

  async #askLedger(): Promise<number> {
    if (!this.#isServing()) return LEDGER_MS;
    try {
      const [summary, gaps, quarantine] = await Promise.all([
        fetchJson<{ data: readonly CoverageSummary[] }>(pathTo('/v1/coverage/summary', { metric: 'ohlcv' })),
        fetchJson<{ next: string | null; data: readonly CoverageObject[] }>(pathTo('/v1/gaps', { limit: GAPS_SHOWN })),
        fetchJson<{ data: readonly QuarantinedAnswer[] }>(pathTo('/v1/quarantine', { limit: 5 })),
      ]);
      this.#summaries = summary.data;
      this.#gaps = gaps.data;
      this.#quarantined = quarantine.data;
      this.#ledger = { isRead: true, isMore: gaps.next !== null, isKnown: summary.data.length > 0 };
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      return LEDGER_MS;
    }
    this.#showAll();
    await this.#panel.refresh({ ledger: true });
    return LEDGER_MS;
  }

  #take(name: SeriesName, candle: CandleAnswer): void {
    this.#panel.add(name, candle);
    const key = nameKey(name);
    const known = this.#series.find((entry) => nameKey(entry) === key);
    if (known === undefined) {
      this.#seriesTurn.soon();
      return;
    }
    if (known.last !== null && known.last > candle.timestamp) return;
    const stored = { ...known, last: candle.timestamp, last_close: candle.close };
    this.#series = this.#series.map((entry) => (entry === known ? stored : entry));
    this.#showTable();
  }

  #openFirst(): void {
    const wanted = this.#series.find((entry) => nameKey(entry) === this.#wanted);
    const first = wanted ?? this.#series.find(({ last }) => last !== null) ?? this.#series[0];
    if (first) {
      void this.#open(first);
      if (this.#wanted !== null && !wanted) this.#refuse(this.#wanted);
    } else this.#panel.showEmpty('Nothing to show yet', 'The chart appears with the first series.');
  }

  /** Whether there is such a series. */
  #select(key: string): boolean {
    const found = this.#series.find((entry) => nameKey(entry) === key);
    if (!found) return false;
    writeAddress(found);
    void this.#open(found);
    return true;
  }

  /** The address shall not name one series while the chart shows another. */
  #refuse(wanted: string): void {
    const { name } = this.#panel;
    if (name === null) return;
    writeAddress(name);
    tellUnknownSeries(wanted, name);
  }

  async #open(name: SeriesName, around: { since: number; until: number } | null = null): Promise<void> {
    const { exchange, symbol, timeframe } = name;
    forgetUnknownSeries();
    const opening = this.#panel.open({ exchange, symbol, timeframe }, around);
    this.#showTable();
    await opening;
  }

  #openGap({ exchange, symbol, timeframe, metric, since, until }: CoverageObject): void {
    const isFutures = metric !== 'ohlcv';
    const timeframes = this.#timeframesOf({ exchange, symbol });
    const shown = isFutures && !timeframes.includes(timeframe) ? (timeframes[0] ?? timeframe) : timeframe;
    void this.#open({ exchange, symbol, timeframe: shown }, { since: Date.parse(since), until: Date.parse(until) });
    byId('chart').scrollIntoView({ block: 'nearest' });
  }

  #showAll(): void {
    showOverview({ health: this.#health, silence: this.#silence, series: this.#series });
    // What was read before an outage is no lie as long as it does not look like now.
    const isStale = this.#silence !== null || this.#health?.components.database === 'down';
    document.body.toggleAttribute('data-stale', isStale);
    const lost = this.#series.reduce((sum, series) => sum + (series.lost ?? 0), 0);
    showGaps(this.#gaps, { ...this.#ledger, isNow: !isStale, lost });
    showErrors({ health: this.#health, silence: this.#silence, series: this.#series, quarantined: this.#quarantined });
    showExchanges(this.#health, this.#silence === null ? this.#now() : null);
    showSchema(this.#health);
    this.#showTable();
    this.#showLink();
  }

  /** Seldom enough: at the full minute a thousand candles arrive in a second. */
  #showTable(): void {
    if (this.#isDrawing) return;
    this.#isDrawing = true;
    setTimeout(() => {
      this.#isDrawing = false;
      this.#drawTable();
    }, TABLE_MS);
  }

  #drawTable(): void {
    const rows = createRows(this.#series, this.#summaries, this.#now());
    this.#table.show(rows, { selected: this.#selectedKey(), isRead: this.#hasSeries });
    const name = this.#panel.name;
    if (name) this.#panel.showTimeframes(this.#timeframesOf(name));
  }

  #showLink(): void {
    // Before it serves for the first time nobody connects.
    const link = this.#link === 'connecting' && !this.#isServing() ? 'waiting' : this.#link;
    const [tone, text] = LINK_WORDS[this.#silence === null ? link : 'silent'];
    byId('link').dataset['tone'] = tone;
    setText(byId('link-text'), text);
  }

  #timeframesOf({ exchange, symbol }: Omit<SeriesName, 'timeframe'>): string[] {
    return this.#series
      .filter((entry) => entry.exchange === exchange && entry.symbol === symbol)
      .map(({ timeframe }) => timeframe);
  }

  #selectedKey(): string | null {
    return this.#panel.name ? nameKey(this.#panel.name) : null;
  }

  /** Whether the data routes answer. */
  #isServing(): boolean {
    return this.#silence === null && this.#health?.phase === 'running' && this.#health.components.database === 'up';
  }

  #now(): number {
    return Date.now() + this.#skewMs;
  }
}
