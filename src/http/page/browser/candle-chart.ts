import {
  CandlestickSeries,
  CrosshairMode,
  createChart,
  HistogramSeries,
  type IChartApi,
  type ISeriesApi,
} from 'lightweight-charts';
import type { CandleAnswer, FuturesAnswer } from './answers.ts';
import { countPlaces, formatShort } from './figures.ts';
import { FuturesPanes, type Pane } from './futures-panes.ts';
import { HoleShading, toChartTime } from './hole-shading.ts';
import { readColours } from './theme.ts';
import type { Timeline } from './timeline.ts';

/** What stands at one place of the axis. */
export interface Reading {
  /** Epoch ms. */
  readonly time: number;
  readonly candle: CandleAnswer | null;
  readonly panes: Readonly<Record<Pane, string | null>>;
}

/** How wide a candle is at first, with the space beside it. */
const CANDLE_PX = 6;
/** So many places before an end is near it. */
const NEAR = 20;
const COLOURS = [
  'surface',
  'muted',
  'line',
  'grid',
  'line-strong',
  'candle-up',
  'candle-down',
  'volume-up',
  'volume-down',
  'open-interest',
  'mark-price',
  'hole-missing',
  'hole-empty',
  'hole-lost',
] as const;

/** The canvas: candles over volume, holes as holes, and a pane for each futures metric that is wanted. */
export class CandleChart {
  readonly #chart: IChartApi;
  readonly #candles: ISeriesApi<'Candlestick'>;
  readonly #volume: ISeriesApi<'Histogram'>;
  readonly #shading = new HoleShading();
  readonly #panes: FuturesPanes;
  #timeline: Timeline = { places: [], holes: [] };
  #futures: readonly FuturesAnswer[] = [];
  #places = 2;
  #isPointed = false;
  /** The moment (epoch ms) that is read by keys; null where none is. */
  #cursor: number | null = null;

  /**
   * @param onRead told what stands under the pointer; null where it is not over the chart, and the view has moved
   * @param onNearStart called when a person comes near the oldest candle that is loaded
   * @param onNearEnd called when a person comes near the newest one that is loaded
   */
  constructor({
    container,
    onRead,
    onNearStart,
    onNearEnd,
  }: {
    readonly container: HTMLElement;
    readonly onRead: (reading: Reading | null) => void;
    readonly onNearStart: () => void;
    readonly onNearEnd: () => void;
  }) {
    this.#chart = createChart(container, {
      autoSize: true,
      // Its logo comes with a style in the document, which the page's policy forbids; the footer names its makers.
      layout: { attributionLogo: false, fontSize: 11, fontFamily: getComputedStyle(container).fontFamily },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4, minBarSpacing: 0.6 },
      rightPriceScale: { minimumWidth: 74 },
      // A finger that goes up or down scrolls the page, of which the chart covers most on a phone.
      handleScroll: { vertTouchDrag: false },
      localization: { locale: 'en-GB' },
    });
    this.#candles = this.#chart.addSeries(CandlestickSeries, { borderVisible: false });
    this.#candles.priceScale().applyOptions({ scaleMargins: { top: 0.1, bottom: 0.24 } });
    this.#volume = this.#chart.addSeries(HistogramSeries, {
      priceScaleId: 'volume',
      priceFormat: { type: 'custom', formatter: formatShort },
      lastValueVisible: false,
      priceLineVisible: false,
    });
    this.#chart.priceScale('volume').applyOptions({ scaleMargins: { top: 0.82, bottom: 0 } });
    this.#chart.panes()[0]?.attachPrimitive(this.#shading);
    this.#panes = new FuturesPanes(this.#chart);
    this.#chart.subscribeCrosshairMove(({ time }) => {
      this.#isPointed = typeof time === 'number';
      const read = typeof time === 'number' ? time * 1000 : this.#cursor;
      onRead(read === null ? null : this.#readAt(read));
    });
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      const { length } = this.#timeline.places;
      if (range !== null && length > 0) {
        if (range.from < NEAR) onNearStart();
        if (range.to > length - NEAR) onNearEnd();
      }
      if (!this.#isPointed && this.#cursor === null) onRead(null);
    });
  }

  /** Shows these panes and no others. */
  setPanes(wanted: readonly Pane[]): void {
    if (!this.#panes.set(wanted)) return;
    this.#panes.draw(this.#timeline, this.#futures, this.#places);
    this.recolour();
  }

  /** Draws the axis anew. The view stays at the same time where it was scrolled back, else at the newest. */
  draw(timeline: Timeline, futures: readonly FuturesAnswer[]): void {
    this.#timeline = timeline;
    this.#futures = futures;
    const { places } = timeline;
    const prices = places.flatMap(({ candle }) => (candle ? [candle.open, candle.high, candle.low, candle.close] : []));
    this.#places = countPlaces(prices);
    const priceFormat = { type: 'price', precision: this.#places, minMove: 10 ** -this.#places } as const;
    this.#candles.applyOptions({ priceFormat });
    this.#panes.draw(timeline, futures, this.#places);
    this.recolour();
  }

  /** Takes the colours of the style sheet, after a change of the theme too. */
  recolour(): void {
    const colours = readColours(COLOURS);
    const edge = { borderColor: colours.line };
    const cross = { color: colours['line-strong'], labelBackgroundColor: colours.muted };
    this.#chart.applyOptions({
      layout: {
        background: { color: colours.surface },
        textColor: colours.muted,
        panes: { separatorColor: colours.line, separatorHoverColor: colours.grid },
      },
      grid: { vertLines: { color: colours.grid }, horzLines: { color: colours.grid } },
      crosshair: { mode: CrosshairMode.Normal, vertLine: cross, horzLine: cross },
      timeScale: edge,
      rightPriceScale: edge,
    });
    const [up, down] = [colours['candle-up'], colours['candle-down']];
    this.#candles.applyOptions({ upColor: up, downColor: down, wickUpColor: up, wickDownColor: down });
    this.#candles.setData(
      this.#timeline.places.map(({ time, candle }) =>
        candle === null
          ? { time: toChartTime(time) }
          : {
              time: toChartTime(time),
              open: Number(candle.open),
              high: Number(candle.high),
              low: Number(candle.low),
              close: Number(candle.close),
              // What is not whole is neither up nor down yet.
              ...(candle.partial === true ? { color: colours.muted, wickColor: colours.muted } : {}),
            },
      ),
    );
    this.#volume.setData(
      this.#timeline.places.map(({ time, candle }) =>
        candle === null
          ? { time: toChartTime(time) }
          : {
              time: toChartTime(time),
              value: Number(candle.volume),
              color:
                candle.partial === true
                  ? colours['line-strong']
                  : Number(candle.close) < Number(candle.open)
                    ? colours['volume-down']
                    : colours['volume-up'],
            },
      ),
    );
    this.#panes.recolour({
      open_interest: colours['open-interest'],
      mark_price: colours['mark-price'],
      positive: up,
      negative: down,
    });
    this.#shading.show(this.#timeline.holes, {
      missing: colours['hole-missing'],
      empty: colours['hole-empty'],
      lost: colours['hole-lost'],
      text: colours.muted,
    });
  }

  /** Has `draw` add places at the end without a move of the view, which else would follow the newest one. */
  keepView(draw: () => void): void {
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    draw();
    if (range !== null) scale.setVisibleLogicalRange(range);
  }

  showNewest(): void {
    const last = this.#timeline.places.length - 1;
    // A few candles get some room, and do not stand in a corner.
    const shown = Math.min(this.#room(), Math.max(last, 60));
    this.#chart.timeScale().setVisibleLogicalRange({ from: last - shown, to: last + 4 });
  }

  /** Moves by so many candles, into the past where negative. */
  move(candles: number): void {
    const scale = this.#chart.timeScale();
    scale.scrollToPosition(scale.scrollPosition() + candles, false);
  }

  /** Makes the candles so many times as wide. */
  zoom(factor: number): void {
    const scale = this.#chart.timeScale();
    scale.applyOptions({ barSpacing: Math.min(60, Math.max(0.6, scale.options().barSpacing * factor)) });
  }

  /** Brings a range of time (epoch ms) into the middle. */
  showAround(since: number, until: number): void {
    const { places } = this.#timeline;
    const from = places.findIndex(({ time }) => time >= since);
    const to = places.findLastIndex(({ time }) => time < until);
    const margin = Math.max(30, Math.round((this.#room() - (to - from)) / 2));
    this.#chart.timeScale().setVisibleLogicalRange({ from: from - margin, to: to + margin });
  }

  /** The heights of the panes that are there, from the top: the candles, then `names` in their order. */
  listPanes(): { readonly names: readonly Pane[]; readonly heights: readonly number[] } {
    return { names: this.#panes.names, heights: this.#chart.panes().map((pane) => pane.getHeight()) };
  }

  /** What stands at the newest place in view that has a candle; null where nothing is loaded. */
  readShown(): Reading | null {
    const { places } = this.#timeline;
    let index = this.#lastShown();
    while (index > 0 && places[index]?.candle === null) index--;
    const place = places[index];
    return place === undefined ? null : this.#readAt(place.time);
  }

  /**
   * Puts the crosshair so many places further, from the newest one in view where there is none yet, and keeps it in
   * view; answers what stands there, null where nothing is loaded.
   */
  read(places: number): Reading | null {
    const all = this.#timeline.places;
    const known = all.findIndex(({ time }) => time === this.#cursor);
    const index = known < 0 ? this.#lastShown() : Math.min(all.length - 1, Math.max(0, known + places));
    const place = all[index];
    if (place === undefined) return null;
    this.#cursor = place.time;
    const scale = this.#chart.timeScale();
    const range = scale.getVisibleLogicalRange();
    if (range !== null && index < range.from + 1) this.move(Math.floor(index - range.from - 10));
    if (range !== null && index > range.to - 1) this.move(Math.ceil(index - range.to + 10));
    const price = Number(all.slice(0, index + 1).findLast(({ candle }) => candle !== null)?.candle?.close ?? 0);
    this.#chart.setCrosshairPosition(price, toChartTime(place.time), this.#candles);
    return this.#readAt(place.time);
  }

  /** Takes the crosshair of `read` away. */
  stopReading(): void {
    this.#cursor = null;
    this.#isPointed = false;
    this.#chart.clearCrosshairPosition();
  }

  /** The newest place in view. */
  #lastShown(): number {
    const end = this.#chart.timeScale().getVisibleLogicalRange()?.to ?? Infinity;
    return Math.max(0, Math.min(this.#timeline.places.length - 1, Math.floor(end)));
  }

  /** How many candles there is room for. */
  #room(): number {
    return Math.max(40, Math.round(this.#chart.timeScale().width() / CANDLE_PX));
  }

  #readAt(time: number): Reading {
    const candle = this.#timeline.places.find((place) => place.time === time)?.candle ?? null;
    return { time, candle, panes: this.#panes.readAt(time) };
  }
}
