import { HistogramSeries, LineSeries, LineType, type IChartApi, type ISeriesApi } from 'lightweight-charts';
import type { FuturesAnswer } from './answers.ts';
import { formatShort } from './figures.ts';
import { toChartTime } from './hole-shading.ts';
import { alignFutures, holdingAt, type FuturesPoint, type Timeline } from './timeline.ts';

/** What has a pane below the candles, from top to bottom. */
export const PANES = ['open_interest', 'funding_rate', 'mark_price'] as const;
export type Pane = (typeof PANES)[number];

interface PaneView {
  readonly series: ISeriesApi<'Line'> | ISeriesApi<'Histogram'>;
  points: readonly FuturesPoint[];
}

/** Room for the words above the values. */
const PANE_MARGINS = { top: 0.36, bottom: 0.12 };

/** A pane below the candles for each futures metric that is wanted. */
export class FuturesPanes {
  readonly #chart: IChartApi;
  readonly #views = new Map<Pane, PaneView>();

  constructor(chart: IChartApi) {
    this.#chart = chart;
  }

  get names(): readonly Pane[] {
    return [...this.#views.keys()];
  }

  /** Has these panes and no others, empty ones; false where they are there already. */
  set(wanted: readonly Pane[]): boolean {
    if (PANES.every((name) => wanted.includes(name) === this.#views.has(name))) return false;
    for (const { series } of this.#views.values()) this.#chart.removeSeries(series);
    this.#views.clear();
    for (const [index, name] of PANES.filter((pane) => wanted.includes(pane)).entries())
      this.#views.set(name, { series: this.#add(name, index + 1), points: [] });
    const [main, ...others] = this.#chart.panes();
    main?.setStretchFactor(others.length === 0 ? 1 : 5);
    for (const pane of others) pane.setStretchFactor(1.15);
    return true;
  }

  /** @param precision digits of the prices after the point */
  draw({ places }: Timeline, rows: readonly FuturesAnswer[], precision: number): void {
    const times = places.map(({ time }) => time);
    for (const [name, view] of this.#views) {
      view.points = alignFutures(times, rows, name);
      // At each place, so that the scale fits what holds in view, also where it was told before.
      if (name !== 'funding_rate')
        view.series.setData(
          times.map((time) => {
            const value = holdingAt(view.points, time, name);
            return value === null ? { time: toChartTime(time) } : { time: toChartTime(time), value: Number(value) };
          }),
        );
      if (name === 'mark_price')
        view.series.applyOptions({ priceFormat: { type: 'price', precision, minMove: 10 ** -precision } });
    }
  }

  recolour(colours: Readonly<Record<'open_interest' | 'mark_price' | 'positive' | 'negative', string>>): void {
    for (const name of ['open_interest', 'mark_price'] as const)
      this.#views.get(name)?.series.applyOptions({ color: colours[name] });
    const funding = this.#views.get('funding_rate');
    funding?.series.setData(
      funding.points.map(({ time, value }) => ({
        time: toChartTime(time),
        value: Number(value),
        color: Number(value) < 0 ? colours.negative : colours.positive,
      })),
    );
  }

  /** What holds at a moment (epoch ms); null where that is not known, or the pane is not there. */
  readAt(time: number): Record<Pane, string | null> {
    const find = (name: Pane) => holdingAt(this.#views.get(name)?.points ?? [], time, name);
    return {
      open_interest: find('open_interest'),
      funding_rate: find('funding_rate'),
      mark_price: find('mark_price'),
    };
  }

  #add(name: Pane, pane: number): PaneView['series'] {
    const series =
      name === 'funding_rate'
        ? this.#chart.addSeries(
            HistogramSeries,
            { priceLineVisible: false, priceFormat: { type: 'custom', minMove: 1e-6, formatter: toPercent } },
            pane,
          )
        : this.#chart.addSeries(
            LineSeries,
            // A value holds until the next one: nothing is known of a way between them.
            { priceLineVisible: false, lineWidth: 2, lineType: LineType.WithSteps, crosshairMarkerRadius: 3 },
            pane,
          );
    if (name === 'open_interest')
      series.applyOptions({ priceFormat: { type: 'custom', minMove: 1e-8, formatter: formatShort } });
    series.priceScale().applyOptions({ scaleMargins: PANE_MARGINS });
    return series;
  }
}

function toPercent(fraction: number): string {
  return `${(fraction * 100).toFixed(3)}%`;
}
