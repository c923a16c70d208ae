import {
  CandlestickSeries,
  CrosshairMode,
  createChart,
  HistogramSeries,
  LineSeries,
  type IChartApi,
  type ISeriesApi,
  type MouseEventParams,
} from 'lightweight-charts';
import type { CandleAnswer, FuturesAnswer } from './answers.ts';
import { countPlaces, formatShort } from './figures.ts';
import { HoleShading, toChartTime } from './hole-shading.ts';
import { readColours } from './theme.ts';
import { alignFutures, type Timeline } from './timeline.ts';

/** What has a pane below the candles, from top to bottom. */
export const PANES = ['open_interest', 'funding_rate', 'mark_price'] as const;
export type Pane = (typeof PANES)[number];

/** What stands at one place of the axis. */
export interface Reading {
  /** Epoch ms. */
  readonly time: number;
  readonly candle: CandleAnswer | null;
  readonly panes: Readonly<Record<Pane, string | null>>;
}

interface PaneView {
  readonly series: ISeriesApi<'Line'> | ISeriesApi<'Histogram'>;
  values: ReadonlyMap<number, string>;
}

/** How wide a candle is at first, with the space beside it. */
const CANDLE_PX = 6;
/** Room for the words above the values. */
const PANE_MARGINS = { top: 0.36, bottom: 0.12 };
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
  readonly #panes = new Map<Pane, PaneView>();
  #timeline: Timeline = { places: [], holes: [] };
  #futures: readonly FuturesAnswer[] = [];
  #places = 2;

  /**
   * @param onRead told what stands under the pointer; null where it is not over the chart
   * @param onNearStart called when a person comes near the oldest candle that is loaded
   */
  constructor({
    container,
    onRead,
    onNearStart,
  }: {
    readonly container: HTMLElement;
    readonly onRead: (reading: Reading | null) => void;
    readonly onNearStart: () => void;
  }) {
    this.#chart = createChart(container, {
      autoSize: true,
      // Its logo comes with a style in the document, which the page's policy forbids; the footer names its makers.
      layout: { attributionLogo: false, fontSize: 11, fontFamily: getComputedStyle(container).fontFamily },
      timeScale: { timeVisible: true, secondsVisible: false, rightOffset: 4, minBarSpacing: 0.6 },
      rightPriceScale: { minimumWidth: 74 },
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
    this.#chart.subscribeCrosshairMove((event) => onRead(this.#read(event)));
    this.#chart.timeScale().subscribeVisibleLogicalRangeChange((range) => {
      if (range !== null && range.from < 20 && this.#timeline.places.length > 0) onNearStart();
    });
  }

  /** Shows these panes and no others. */
  setPanes(wanted: readonly Pane[]): void {
    if (PANES.every((name) => wanted.includes(name) === this.#panes.has(name))) return;
    for (const { series } of this.#panes.values()) this.#chart.removeSeries(series);
    this.#panes.clear();
    for (const [index, name] of PANES.filter((pane) => wanted.includes(pane)).entries()) {
      const common = { priceLineVisible: false };
      const series =
        name === 'funding_rate'
          ? this.#chart.addSeries(
              HistogramSeries,
              { ...common, priceFormat: { type: 'custom', minMove: 1e-6, formatter: toPercent } },
              index + 1,
            )
          : this.#chart.addSeries(LineSeries, { ...common, lineWidth: 2, crosshairMarkerRadius: 3 }, index + 1);
      if (name === 'open_interest')
        series.applyOptions({ priceFormat: { type: 'custom', minMove: 1e-8, formatter: formatShort } });
      series.priceScale().applyOptions({ scaleMargins: PANE_MARGINS });
      this.#panes.set(name, { series, values: new Map() });
    }
    const [main, ...others] = this.#chart.panes();
    main?.setStretchFactor(others.length === 0 ? 1 : 5);
    for (const pane of others) pane.setStretchFactor(1.15);
    this.#drawFutures();
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
    this.#candles.setData(
      places.map(({ time, candle }) =>
        candle === null
          ? { time: toChartTime(time) }
          : {
              time: toChartTime(time),
              open: Number(candle.open),
              high: Number(candle.high),
              low: Number(candle.low),
              close: Number(candle.close),
            },
      ),
    );
    this.#drawFutures();
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
    this.#volume.setData(
      this.#timeline.places.map(({ time, candle }) =>
        candle === null
          ? { time: toChartTime(time) }
          : {
              time: toChartTime(time),
              value: Number(candle.volume),
              color: Number(candle.close) < Number(candle.open) ? colours['volume-down'] : colours['volume-up'],
            },
      ),
    );
    this.#panes.get('open_interest')?.series.applyOptions({ color: colours['open-interest'] });
    this.#panes.get('mark_price')?.series.applyOptions({ color: colours['mark-price'] });
    const funding = this.#panes.get('funding_rate');
    funding?.series.setData(
      [...funding.values].map(([time, value]) => ({
        time: toChartTime(time),
        value: Number(value),
        color: Number(value) < 0 ? down : up,
      })),
    );
    this.#shading.show(this.#timeline.holes, {
      missing: colours['hole-missing'],
      empty: colours['hole-empty'],
      lost: colours['hole-lost'],
      text: colours.muted,
    });
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

  /** Brings a stretch of time (epoch ms) into the middle. */
  showAround(since: number, until: number): void {
    const { places } = this.#timeline;
    const from = places.findIndex(({ time }) => time >= since);
    const to = places.findLastIndex(({ time }) => time < until);
    const margin = Math.max(30, Math.round((this.#room() - (to - from)) / 2));
    this.#chart.timeScale().setVisibleLogicalRange({ from: from - margin, to: to + margin });
  }

  /** The heights of the panes that are there, from the top: the candles, then `names` in their order. */
  listPanes(): { readonly names: readonly Pane[]; readonly heights: readonly number[] } {
    return { names: [...this.#panes.keys()], heights: this.#chart.panes().map((pane) => pane.getHeight()) };
  }

  /** What stands at the newest place that has a candle; null where nothing is loaded. */
  readNewest(): Reading | null {
    const place = this.#timeline.places.findLast(({ candle }) => candle !== null);
    return place === undefined ? null : this.#readAt(place.time, true);
  }

  /** How many candles there is room for. */
  #room(): number {
    return Math.max(40, Math.round(this.#chart.timeScale().width() / CANDLE_PX));
  }

  #drawFutures(): void {
    const times = this.#timeline.places.map(({ time }) => time);
    for (const [name, view] of this.#panes) {
      const values = alignFutures(times, this.#futures, name);
      view.values = new Map(values.map(({ time, value }) => [time, value]));
      if (name !== 'funding_rate')
        view.series.setData(values.map(({ time, value }) => ({ time: toChartTime(time), value: Number(value) })));
      if (name === 'mark_price') {
        const precision = this.#places;
        view.series.applyOptions({ priceFormat: { type: 'price', precision, minMove: 10 ** -precision } });
      }
    }
  }

  #read({ time }: MouseEventParams): Reading | null {
    return typeof time === 'number' ? this.#readAt(time * 1000, false) : null;
  }

  /** @param orBefore take the last value before where a metric has none at that very place */
  #readAt(time: number, orBefore: boolean): Reading {
    const find = (name: Pane) => {
      const values = this.#panes.get(name)?.values;
      const before = orBefore ? [...(values?.values() ?? [])].at(-1) : undefined;
      return values?.get(time) ?? before ?? null;
    };
    return {
      time,
      candle: this.#timeline.places.find((place) => place.time === time)?.candle ?? null,
      panes: {
        open_interest: find('open_interest'),
        funding_rate: find('funding_rate'),
        mark_price: find('mark_price'),
      },
    };
  }
}

function toPercent(fraction: number): string {
  return `${(fraction * 100).toFixed(3)}%`;
}
