import { existsSync, readdirSync } from 'node:fs';
import type * as ccxt from 'ccxt';
import { countEdits } from '../../market/edit-distance.ts';

/**
 * One class of ccxt is loaded at a time: all of it costs 141 MB and over half a second, one exchange 80 MB and a
 * fifth of that. Its `exports` block deep paths, so the files are reached by URL.
 */
const SOURCES = new URL('src/', import.meta.resolve('ccxt'));

const EXCHANGE_ID = /^[a-z0-9]+$/;

/** What is used of any exchange of ccxt, by its own types, so that a renamed method stops the type check. */
export type CcxtInstance = Pick<
  ccxt.Exchange,
  | 'id'
  | 'urls'
  | 'has'
  | 'features'
  | 'timeframes'
  | 'options'
  | 'loadMarkets'
  | 'fetchOHLCV'
  | 'fetchTime'
  | 'parseOHLCVs'
>;

/** The same of one exchange with the raw calls of it that are used: they keep every column and every digit. */
export type InstanceOf<Id extends keyof typeof ccxt, Calls extends keyof ClassOf<Id>> = CcxtInstance &
  Pick<ClassOf<Id>, Calls>;

type ClassOf<Id extends keyof typeof ccxt> = (typeof ccxt)[Id] extends abstract new (...args: never) => infer Instance
  ? Instance
  : never;

/** ccxt's error classes by name, loaded the same way as the exchange, so that `instanceof` matches. */
export type CcxtErrors = Readonly<Record<string, abstract new (message: string) => Error>>;

/** Whether ccxt has an exchange of this id. Loads nothing; an id is lower-case letters and digits, so never a path. */
export function isKnownExchange(id: string): boolean {
  return EXCHANGE_ID.test(id) && existsSync(new URL(`${id}.js`, SOURCES));
}

/** The ids closest to one that is not known, at most three: those that contain it, or differ in one or two letters. */
export function findSimilarExchanges(id: string): string[] {
  const wanted = id.toLowerCase().replaceAll(/[^a-z0-9]/g, '');
  return readdirSync(SOURCES)
    .filter((file) => file.endsWith('.js'))
    .map((file) => file.slice(0, -3))
    .map((known) => ({ known, distance: countEdits(wanted, known) }))
    .filter(({ known, distance }) => distance <= 2 || (wanted.length >= 3 && known.startsWith(wanted)))
    .toSorted((a, b) => a.distance - b.distance)
    .slice(0, 3)
    .map(({ known }) => known);
}

/** What is wrong with an exchange's id, with the nearest that exist; null where ccxt knows it. */
export function findExchangeFault(id: string): string | null {
  if (isKnownExchange(id)) return null;
  const similar = findSimilarExchanges(id);
  const hint =
    similar.length === 0 ? '; see https://docs.ccxt.com for the list' : `; did you mean ${similar.join(', ')}?`;
  return `"${id}" is not an exchange that ccxt knows${hint}`;
}

/** Loads the class of a known exchange and makes an instance with `options`. */
export async function instantiateExchange(
  id: string,
  options: Readonly<Record<string, unknown>>,
): Promise<CcxtInstance> {
  const module = (await import(new URL(`${id}.js`, SOURCES).href)) as {
    default: new (options: Readonly<Record<string, unknown>>) => CcxtInstance;
  };
  return new module.default(options);
}

/** Loads ccxt's error classes. */
export async function loadCcxtErrors(): Promise<CcxtErrors> {
  return (await import(new URL('src/base/errors.js', import.meta.resolve('ccxt')).href)) as CcxtErrors;
}
