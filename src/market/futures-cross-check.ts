import { compareDecimals, type Decimal } from './decimal.ts';
import type { FuturesSnapshot } from './futures-snapshot.ts';

/** A value that contradicts the others of its row by more than the tolerance. */
export interface OpenInterestDeviation {
  readonly timestamp: number;
  /** The row's `open_interest_value`, in the quote currency. */
  readonly value: Decimal;
  /** `open_interest` × `mark_price`, exactly. */
  readonly expected: Decimal;
  /** value / expected − 1, rounded to six decimals: `0.080000` is 8 % too much. Null where nothing was expected. */
  readonly deviation: Decimal | null;
}

/** The exchange takes its own price a moment before or after the mark price of the hour: 5 %, as a fraction. */
export const OPEN_INTEREST_TOLERANCE = '0.05' as Decimal;

const DEVIATION_DIGITS = 6;

/**
 * Compares `open_interest_value` with `open_interest` × `mark_price`, without rounding.
 *
 * @param tolerance How much of the expected value it may be off, as a fraction; more than that is a deviation.
 * @returns Null where it is within the tolerance, or where one of the three is not known.
 */
export function findOpenInterestDeviation(
  snapshot: FuturesSnapshot,
  tolerance: Decimal = OPEN_INTEREST_TOLERANCE,
): OpenInterestDeviation | null {
  const { timestamp, open_interest, open_interest_value: value, mark_price } = snapshot;
  if (open_interest === undefined || value === undefined || mark_price === undefined) return null;
  const product = multiply(toScaled(open_interest), toScaled(mark_price));
  const expected = toDecimal(product);
  const difference = subtract(toScaled(value), product);
  const allowed = multiply(product, toScaled(tolerance));
  if (compareDecimals(toDecimal(absolute(difference)), toDecimal(absolute(allowed))) <= 0) return null;
  return { timestamp, value, expected, deviation: divide(difference, product) };
}

/** digits × 10^−scale */
interface Scaled {
  readonly digits: bigint;
  readonly scale: number;
}

function toScaled(decimal: Decimal): Scaled {
  const [whole = '0', fraction = ''] = decimal.split('.');
  return { digits: BigInt(whole + fraction), scale: fraction.length };
}

function toDecimal({ digits, scale }: Scaled): Decimal {
  const sign = digits < 0n ? '-' : '';
  const text = (digits < 0n ? -digits : digits).toString().padStart(scale + 1, '0');
  return `${sign}${scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`}` as Decimal;
}

function multiply(a: Scaled, b: Scaled): Scaled {
  return { digits: a.digits * b.digits, scale: a.scale + b.scale };
}

function subtract(a: Scaled, b: Scaled): Scaled {
  const scale = Math.max(a.scale, b.scale);
  const at = (value: Scaled) => value.digits * 10n ** BigInt(scale - value.scale);
  return { digits: at(a) - at(b), scale };
}

function absolute({ digits, scale }: Scaled): Scaled {
  return { digits: digits < 0n ? -digits : digits, scale };
}

/** a / b, rounded half away from zero; null for b = 0. */
function divide(a: Scaled, b: Scaled): Decimal | null {
  if (b.digits === 0n) return null;
  const numerator = absolute(a).digits * 10n ** BigInt(DEVIATION_DIGITS + b.scale) * 2n;
  const denominator = absolute(b).digits * 10n ** BigInt(a.scale);
  const rounded = (numerator / denominator + 1n) / 2n;
  const isNegative = a.digits < 0n !== b.digits < 0n;
  return toDecimal({ digits: isNegative ? -rounded : rounded, scale: DEVIATION_DIGITS });
}
