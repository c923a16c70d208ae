/** A bare number with a fraction, an exponent or more digits than a float holds. Inside a string it is a false alarm. */
const INEXACT_NUMBER = /[[,:]\s*-?\d+(?:\.|[eE]|\d{15})/;

type SourceReviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;
const parseWithSource = JSON.parse as (text: string, reviver: SourceReviver) => unknown;

/**
 * The same JSON with every number that a float may not hold exactly turned into a string of the digits as they were
 * written, so that a parser which makes floats cannot lose any: `0.10` becomes `"0.10"`. Whole numbers stay numbers.
 *
 * Costs a second parse only where such a number is seen.
 *
 * @throws SyntaxError where the text is not JSON.
 */
export function quoteInexactNumbers(json: string): string {
  if (!INEXACT_NUMBER.test(json)) return json;
  const quoted = parseWithSource(json, (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined && !(/^-?\d+$/.test(source) && Number.isSafeInteger(value))
      ? source
      : value,
  );
  return JSON.stringify(quoted);
}
