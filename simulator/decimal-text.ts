import type { Decimal } from '../src/market/decimal.ts';

/** Whole `units` of 10^-decimals as text with at least `shown` decimals: (1234n, 2, 8) is "12.34000000". */
export function formatUnits(units: bigint | number, decimals: number, shown = decimals): Decimal {
  const digits = BigInt(units)
    .toString()
    .padStart(decimals + 1, '0');
  const at = digits.length - decimals;
  const fraction = digits.slice(at).padEnd(shown, '0');
  return `${digits.slice(0, at)}${fraction === '' ? '' : `.${fraction}`}` as Decimal;
}

/** How many digits follow the point. */
export function decimalsOf(value: Decimal): number {
  const point = value.indexOf('.');
  return point === -1 ? 0 : value.length - point - 1;
}

/** The value in units of 10^-decimals; it must not have more decimals than that. */
export function toUnits(value: Decimal, decimals: number): bigint {
  return BigInt(value.replace('.', '') + '0'.repeat(decimals - decimalsOf(value)));
}
