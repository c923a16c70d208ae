import type { Reading } from './candle-chart.ts';
import { element, setContent } from './element.ts';
import { formatDecimal, formatFraction } from './figures.ts';
import type { Pane } from './futures-panes.ts';
import { formatMoment } from './moments.ts';

export const PANE_TITLES: Readonly<Record<Pane, string>> = {
  open_interest: 'Open interest',
  funding_rate: 'Funding rate',
  mark_price: 'Mark price',
};

/** Writes above each pane what stands under the pointer, or at the newest candle. */
export function showLegends(
  target: HTMLElement,
  reading: Reading | null,
  { names, heights }: { readonly names: readonly Pane[]; readonly heights: readonly number[] },
): void {
  if (reading === null) {
    setContent(target);
    return;
  }
  const legends = [createCandleLegend(reading), ...names.map((name) => createPaneLegend(name, reading.panes[name]))];
  let top = 0;
  for (const [index, legend] of legends.entries()) {
    legend.style.top = `${top + (index === 0 ? 8 : 4)}px`;
    // Panes are divided by one pixel.
    top += (heights[index] ?? 0) + 1;
  }
  setContent(target, ...legends);
}

function createCandleLegend({ time, candle }: Reading): HTMLElement {
  const parts =
    candle === null
      ? [element('span', {}, 'no candle is stored')]
      : (
          [
            ['O', candle.open],
            ['H', candle.high],
            ['L', candle.low],
            ['C', candle.close],
            ['V', candle.volume],
          ] as const
        ).map(([name, value]) =>
          element(
            'span',
            { 'data-tone': name === 'V' ? 'quiet' : Number(candle.close) < Number(candle.open) ? 'bad' : 'good' },
            `${name} `,
            name === 'V' ? formatDecimal(value) : element('b', {}, formatDecimal(value)),
          ),
        );
  const note = candle?.partial === true ? [element('span.muted', {}, 'not whole')] : [];
  return element('div.legend', {}, element('span', {}, formatMoment(time)), ...parts, ...note);
}

function createPaneLegend(name: Pane, value: string | null): HTMLElement {
  const shown = value === null ? '–' : formatPane(name, value);
  return element('div.legend', {}, `${PANE_TITLES[name]} `, element('b', {}, shown));
}

function formatPane(name: Pane, value: string): string {
  return name === 'funding_rate' ? formatFraction(Number(value)) : formatDecimal(value);
}

/** The same for a person who does not see it. */
export function describeReading({ time, candle, panes }: Reading, names: readonly Pane[]): string {
  const prices =
    candle === null
      ? 'no candle is stored'
      : (['open', 'high', 'low', 'close', 'volume'] as const)
          .map((name) => `${name} ${formatDecimal(candle[name])}`)
          .join(', ');
  const others = names.flatMap((name) => {
    const value = panes[name];
    return value === null ? [] : [`${PANE_TITLES[name]} ${formatPane(name, value)}`];
  });
  const note = candle?.partial === true ? ['not whole'] : [];
  return [`${formatMoment(time)}: ${prices}`, ...note, ...others].join(', ');
}
