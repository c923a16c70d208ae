import type { SlotCounts } from './answers.ts';

/** `1,234,567`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}

/** `1 series` or `3 series`: the count with the word that suits it. */
export function countOf(count: number, one: string, many: string): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** `12.34 k`, `4.567 M`: four digits, for axes and sums where the exact figure does not matter. */
export function formatShort(value: number): string {
  const size = Math.abs(value);
  for (const [unit, factor] of [
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e3],
  ] as const)
    if (size >= factor) return `${toPrecision(value / factor)} ${unit}`;
  return toPrecision(value);
}

function toPrecision(value: number): string {
  return Number(value.toPrecision(4)).toString();
}

/**
 * A decimal with its digits, grouped by thousands before the point. Zeros at its end go, down to two places: an exchange
 * that writes eight of them says nothing by it.
 */
export function formatDecimal(decimal: string): string {
  const [, sign = '', whole = '', fraction = ''] = /^(-?)(\d+)(?:\.(\d+))?$/.exec(decimal) ?? [];
  if (whole === '') return decimal;
  const kept = fraction.replace(/0+$/, '');
  const places = fraction.length >= 2 ? kept.padEnd(2, '0') : fraction;
  return `${sign}${whole.replaceAll(/\B(?=(\d{3})+$)/g, ',')}${places === '' ? '' : `.${places}`}`;
}

/** How many places after the point are used by any of these decimals, at most 10. */
export function countPlaces(decimals: readonly string[]): number {
  const used = decimals.map((decimal) => (decimal.split('.')[1] ?? '').replace(/0+$/, '').length);
  return Math.min(10, Math.max(0, ...used));
}

/** A fraction such as `0.0001` as `0.0100 %`: funding rates are read in hundredths of a percent. */
export function formatFraction(fraction: number): string {
  return `${(fraction * 100).toFixed(4)} %`;
}

/** How many opening times there are, and how many of them are settled: stored, or known to be empty. */
export function countSettled(slots: SlotCounts): { readonly settled: number; readonly total: number } {
  const settled = slots.have + slots.confirmed_empty;
  return { settled, total: settled + slots.missing + slots.refused + slots.out_of_window };
}

/** The share that is settled, as a percentage; cut and never rounded up, so that 100 % means that nothing is missing. */
export function formatShare(settled: number, total: number): string {
  if (total === 0) return '–';
  if (settled === total) return '100 %';
  const hundredths = Math.floor((settled / total) * 10_000);
  return `${(hundredths / 100).toFixed(2)} %`;
}
