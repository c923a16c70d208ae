import type { CandleAnswer, SeriesName } from './answers.ts';
import { CandleChart } from './candle-chart.ts';
import { describeReading, PANE_TITLES, showLegends } from './chart-legends.ts';
import { ChartWindow } from './chart-window.ts';
import { byId, element, setContent, setText } from './element.ts';
import { countOf, formatCount } from './figures.ts';
import { PANES, type Pane } from './futures-panes.ts';
import { HOLE_WORDS } from './hole-shading.ts';
import { DAY_MS, formatMoment, timeframeLength } from './moments.ts';
import { RequestFailure } from './service.ts';
import { stateOf, type Hole } from './timeline.ts';

const STORAGE_KEY = 'panes';

/** What the keys do while the chart has the focus. */
const KEYS: Readonly<Record<string, (chart: CandleChart) => void>> = {
  ArrowLeft: (chart) => chart.move(-10),
  ArrowRight: (chart) => chart.move(10),
  '+': (chart) => chart.zoom(1.25),
  '-': (chart) => chart.zoom(0.8),
  End: (chart) => chart.showNewest(),
  Escape: (chart) => chart.stopReading(),
};
/** Read candle by candle with the shift key. */
const READING_KEYS: Readonly<Record<string, number>> = { ArrowLeft: -1, ArrowRight: 1 };

/** The chart with its heading and switches: shows one series at a time, and follows it. */
export class ChartPanel {
  readonly #now: () => number;
  readonly #chart: CandleChart;
  #window: ChartWindow | null = null;
  #abort = new AbortController();
  #panes: readonly Pane[] = readPanes();
  #isLoadingMore = false;

  /**
   * @param now the service's clock, epoch ms
   * @param onTimeframe called when another timeframe of the same symbol is wanted
   */
  constructor({ now, onTimeframe }: { readonly now: () => number; readonly onTimeframe: (name: string) => void }) {
    this.#now = now;
    const container = byId('chart');
    this.#chart = new CandleChart({
      container,
      onRead: (reading) => this.#showLegends(reading ?? this.#chart.readShown()),
      onNearStart: () => void this.#loadMore((window) => window.loadOlder()),
      onNearEnd: () => void this.#loadMore((window) => window.loadLater()),
    });
    new ResizeObserver(() => this.#showLegends(this.#chart.readShown())).observe(container);
    byId('chart-timeframes').addEventListener('click', ({ target }) => {
      const key = target instanceof HTMLElement ? target.dataset['key'] : undefined;
      if (key !== undefined) onTimeframe(key);
    });
    byId('chart-panes').addEventListener('click', ({ target }) => {
      const key = target instanceof HTMLElement ? target.dataset['key'] : undefined;
      const pane = PANES.find((name) => name === key);
      if (pane !== undefined) this.#togglePane(pane);
    });
    byId('chart-latest').addEventListener('click', () => {
      if (this.#window === null || this.#window.isNewest) this.#chart.showNewest();
      else void this.open(this.#window.name);
    });
    container.addEventListener('keydown', (event) => {
      const step = event.shiftKey ? READING_KEYS[event.key] : undefined;
      const act = KEYS[event.key];
      if (step === undefined && act === undefined) return;
      event.preventDefault();
      if (step === undefined) act?.(this.#chart);
      else this.#readAloud(step);
    });
    container.addEventListener('blur', () => this.#chart.stopReading());
    const day = byId('chart-day') as HTMLInputElement;
    day.addEventListener('change', () => {
      const since = day.valueAsNumber;
      if (this.#window !== null && Number.isFinite(since))
        void this.open(this.#window.name, { since, until: since + DAY_MS });
    });
  }

  get name(): SeriesName | null {
    return this.#window?.name ?? null;
  }

  /** Shows a series: its newest candles, or those around a range of time. */
  async open(name: SeriesName, around: { since: number; until: number } | null = null): Promise<void> {
    this.#abort.abort();
    const abort = (this.#abort = new AbortController());
    const window = new ChartWindow(name, around, abort.signal);
    const isSame = this.#window !== null && isSameSeries(this.#window.name, name);
    this.#window = window;
    this.#showTitle(name);
    if (!isSame) this.#showNote('Reading the candles …');
    if (around === null) (byId('chart-day') as HTMLInputElement).value = '';
    try {
      await window.load();
      if (this.#window !== window) return;
      this.#draw();
      if (around === null) this.#chart.showNewest();
      else this.#chart.showAround(around.since, around.until);
    } catch (error) {
      if (!abort.signal.aborted) this.#showFailure(error);
    }
  }

  /** Takes a candle that was just stored, or rewritten. */
  add(name: SeriesName, candle: CandleAnswer): void {
    if (this.#window !== null && isSameSeries(this.#window.name, name) && this.#window.add([candle])) this.#draw();
  }

  /** Asks for what is new, and for what the ledger says now. */
  async refresh({ ledger = false } = {}): Promise<void> {
    const window = this.#window;
    if (window === null) return;
    try {
      const isFirst = window.candles.length === 0;
      const isNew = await window.loadNewer();
      if (ledger || isFirst) await window.refreshBeside();
      if (window !== this.#window || (!isNew && !ledger)) return;
      this.#draw();
      if (isFirst) this.#chart.showNewest();
    } catch (error) {
      // What is drawn stays; the head of the page says that the service or its database is away.
      if (window === this.#window && window.candles.length === 0 && !this.#abort.signal.aborted)
        this.#showFailure(error);
    }
  }

  recolour(): void {
    this.#chart.recolour();
  }

  /** The timeframes that are stored of this symbol, as switches. */
  showTimeframes(timeframes: readonly string[]): void {
    const sorted = [...timeframes].sort((a, b) => timeframeLength(a) - timeframeLength(b));
    setContent(
      byId('chart-timeframes'),
      ...sorted.map((timeframe) =>
        element(
          'button',
          { type: 'button', 'data-key': timeframe, 'aria-pressed': String(timeframe === this.name?.timeframe) },
          timeframe,
        ),
      ),
    );
  }

  showEmpty(title: string, text: string): void {
    this.#abort.abort();
    this.#window = null;
    this.#showNote(element('b', {}, title), text);
    setText(byId('chart-title'), 'Candles');
  }

  #draw(): void {
    const window = this.#window;
    if (window === null) return;
    const { futures, candles } = window;
    if (candles.length === 0) {
      this.#showNote(element('b', {}, 'No candle is stored yet'), 'The first ones appear here by themselves.');
      return;
    }
    byId('chart-note').hidden = true;
    const timeline = window.timeline(this.#now());
    this.#chart.setPanes(futures === null || futures.length === 0 ? [] : this.#panes);
    this.#chart.draw(timeline, futures ?? []);
    this.#showPaneSwitches(futures);
    this.#showFoot(timeline.holes);
    // The panes get their heights with the next frame.
    requestAnimationFrame(() => this.#showLegends(this.#chart.readShown()));
  }

  #togglePane(pane: Pane): void {
    this.#panes = this.#panes.includes(pane) ? this.#panes.filter((name) => name !== pane) : [...this.#panes, pane];
    try {
      localStorage.setItem(STORAGE_KEY, this.#panes.join(','));
    } catch {
      // Not kept, then: it holds as long as this page.
    }
    this.#draw();
  }

  #showPaneSwitches(futures: ChartWindow['futures']): void {
    const isMissing = futures === null || futures.length === 0;
    setContent(
      byId('chart-panes'),
      ...PANES.map((pane) =>
        element(
          'button',
          {
            type: 'button',
            'data-key': pane,
            'aria-pressed': String(!isMissing && this.#panes.includes(pane)),
            disabled: isMissing,
            title: isMissing ? 'No futures data is kept for this market' : `Show or hide: ${PANE_TITLES[pane]}`,
          },
          PANE_TITLES[pane],
        ),
      ),
    );
  }

  #showTitle({ exchange, symbol, timeframe }: SeriesName): void {
    setContent(byId('chart-title'), symbol, element('span.muted', {}, `${exchange} · ${timeframe}`));
    byId('chart').setAttribute(
      'aria-label',
      `Chart of ${symbol} on ${exchange}, ${timeframe}. Arrow keys move it, with Shift they read it candle by candle, plus and minus zoom, End shows the newest.`,
    );
  }

  #showFoot(holes: readonly Hole[]): void {
    const window = this.#window;
    const [first, last] = [window?.candles[0], window?.candles.at(-1)];
    if (!window || !first || !last) return;
    const sums = Map.groupBy(holes, ({ state }) => state);
    const words = [...sums].map(([state, found]) => {
      const slots = found.reduce((sum, hole) => sum + hole.slots, 0);
      return element('span.key', { 'data-state': state }, `${formatCount(slots)} ${HOLE_WORDS[state]}`);
    });
    const states = this.#describeParts(window);
    setContent(
      byId('chart-foot'),
      element('span', {}, `${countOf(window.candles.length, 'candle', 'candles')} loaded`),
      element('span', {}, `${formatMoment(first.timestamp)} – ${formatMoment(last.timestamp)}`),
      ...(words.length === 0 && states.length === 0 ? [element('span', {}, 'no gap in them')] : words),
      ...states,
      window.isNewest ? null : element('span', {}, 'A stretch of the past: “Newest” goes back.'),
      window.isFull ? element('span', {}, 'For what is older go to its day.') : null,
    );
  }

  /** What is drawn without being a whole candle. */
  #describeParts({ candles, name, builtFrom }: ChartWindow): HTMLElement[] {
    const states = candles.map((candle) => stateOf(candle, name.timeframe, this.#now()));
    const partial = states.filter((state) => state === 'partial').length;
    const source = builtFrom ?? name.timeframe;
    return [
      ...(partial > 0
        ? [element('span', {}, `${countOf(partial, 'candle', 'candles')} of which some ${source} is missing`)]
        : []),
      ...(states.includes('forming') ? [element('span', {}, `the last one is still forming, out of ${source}`)] : []),
    ];
  }

  async #loadMore(load: (window: ChartWindow) => Promise<boolean>): Promise<void> {
    const window = this.#window;
    if (window === null || this.#isLoadingMore) return;
    this.#isLoadingMore = true;
    const first = window.candles[0];
    try {
      if (!(await load(window)) || window !== this.#window) return;
      // What comes before moves the view by itself, so that it stays at its time.
      if (window.candles[0] === first) this.#chart.keepView(() => this.#draw());
      else this.#draw();
    } catch (error) {
      if (!(error instanceof RequestFailure) && !this.#abort.signal.aborted) throw error;
    } finally {
      this.#isLoadingMore = false;
    }
  }

  #readAloud(step: number): void {
    const reading = this.#chart.read(step);
    if (reading === null) return;
    this.#showLegends(reading);
    setText(byId('chart-reading'), describeReading(reading, this.#chart.listPanes().names));
  }

  #showLegends(reading: Parameters<typeof showLegends>[1]): void {
    showLegends(byId('chart-legends'), reading, this.#chart.listPanes());
  }

  #showFailure(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#showNote(element('b', {}, 'The candles could not be read'), message);
  }

  #showNote(...children: readonly (Node | string)[]): void {
    const note = byId('chart-note');
    setContent(note, element('div.empty', {}, ...children));
    note.hidden = false;
  }
}

function isSameSeries(a: SeriesName, b: SeriesName): boolean {
  return a.exchange === b.exchange && a.symbol === b.symbol && a.timeframe === b.timeframe;
}

function readPanes(): readonly Pane[] {
  try {
    const kept = localStorage.getItem(STORAGE_KEY);
    return kept === null ? PANES : PANES.filter((name) => kept.split(',').includes(name));
  } catch {
    return PANES;
  }
}
