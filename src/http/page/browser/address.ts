import { nameKey, type SeriesName } from './answers.ts';
import { byId, setText } from './element.ts';

/** What the address names after its #: the key of a series, so that a chart can be linked to; null: nothing. */
export function readAddress(): string | null {
  const hash = location.hash.slice(1);
  // The links inside the page lead to its parts.
  if (hash === '' || document.getElementById(hash) !== null) return null;
  try {
    return decodeURIComponent(hash);
  } catch {
    return hash;
  }
}

/** Makes the address lead to this series, without an entry in the history. */
export function writeAddress(name: SeriesName): void {
  history.replaceState(null, '', `#${encodeURIComponent(nameKey(name))}`);
}

/** Says that the address named a series that is not kept here, and which one is shown in its place. */
export function tellUnknownSeries(wanted: string, { exchange, symbol, timeframe }: SeriesName): void {
  setText(byId('address-note'), `No series “${wanted}” is kept here: this is ${symbol} on ${exchange}, ${timeframe}.`);
  byId('address-note').hidden = false;
}

/** Takes that back: a series that is known was chosen. */
export function forgetUnknownSeries(): void {
  byId('address-note').hidden = true;
}
