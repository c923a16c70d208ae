import { byId, element, setContent, setText } from './element.ts';
import { countOf, countSettled, formatCount, formatDecimal, formatShare } from './figures.ts';
import { formatDuration, formatMoment } from './moments.ts';
import { arrangeRows, describeState, type SeriesRow, type SortColumn } from './series-rows.ts';

/** More rows than that are not drawn: a person filters by then. */
const MAX_ROWS = 400;

const COLUMNS: readonly { readonly id: SortColumn; readonly title: string; readonly hint: string }[] = [
  { id: 'name', title: 'Series', hint: 'Sort by symbol' },
  { id: 'share', title: 'Complete', hint: 'Sort by the share of opening times that is stored or known to be empty' },
  { id: 'lag', title: 'Lag', hint: 'Sort by how long a closed candle has been awaited' },
  { id: 'close', title: 'Last close', hint: 'Sort by the last close' },
];

/** The table of the series: sortable, to be walked with the arrow keys, each row opens the chart. */
export class SeriesTable {
  readonly #onSelect: (key: string) => void;
  #rows: readonly SeriesRow[] = [];
  #selected: string | null = null;
  #isRead = false;
  #sort: { column: SortColumn; isDescending: boolean } = { column: 'name', isDescending: false };
  #filter = '';
  #focusKey: string | null = null;
  /** What each row was drawn from. */
  readonly #drawn = new WeakMap<HTMLElement, string>();
  readonly #body = byId('series-rows');
  readonly #input = byId('filter') as HTMLInputElement;

  constructor({ onSelect }: { readonly onSelect: (key: string) => void }) {
    this.#onSelect = onSelect;
    this.#input.addEventListener('input', () => this.#setFilter(this.#input.value));
    this.#input.addEventListener('keydown', (event) => {
      if (event.key === 'ArrowDown' || event.key === 'Enter') {
        event.preventDefault();
        this.#focusRow(0);
      } else if (event.key === 'Escape') {
        event.preventDefault();
        // The first one clears, and one may go on typing; the next one leaves for the rows.
        if (this.#filter !== '') this.#setFilter('');
        else this.#body.querySelector<HTMLElement>('[tabindex="0"]')?.focus();
      }
    });
    byId('series-head').addEventListener('click', (event) => this.#sortBy(event));
    this.#body.addEventListener('click', (event) => {
      const key = keyOf(event.target);
      if (key !== null) this.#onSelect(key);
    });
    this.#body.addEventListener('keydown', (event) => this.#walk(event));
    this.#body.addEventListener('focusin', (event) => {
      this.#focusKey = keyOf(event.target);
    });
  }

  /** @param isRead whether it is known which series there are */
  show(
    rows: readonly SeriesRow[],
    { selected, isRead }: { readonly selected: string | null; readonly isRead: boolean },
  ): void {
    this.#rows = rows;
    this.#selected = selected;
    this.#isRead = isRead;
    this.#draw();
  }

  #setFilter(filter: string): void {
    this.#filter = filter;
    if (this.#input.value !== filter) this.#input.value = filter;
    this.#draw();
  }

  #draw(): void {
    const arranged = arrangeRows(this.#rows, { ...this.#sort, filter: this.#filter });
    const drawn = arranged.slice(0, MAX_ROWS);
    setContent(byId('series-head'), this.#createHead());
    const focusable = drawn.find(({ key }) => key === (this.#focusKey ?? this.#selected))?.key ?? drawn[0]?.key;
    const known = new Map([...this.#body.children].map((row) => [(row as HTMLElement).dataset['key'] ?? '', row]));
    const next = drawn.map((row) => this.#updateRow(known.get(row.key), row, row.key === focusable));
    // Moving a row takes its focus away, so nothing moves where the order is the same.
    if (next.length !== this.#body.children.length || next.some((row, index) => this.#body.children[index] !== row)) {
      const hadFocus = this.#body.contains(document.activeElement);
      this.#body.replaceChildren(...next);
      if (hadFocus) next.find((row) => row.dataset['key'] === this.#focusKey)?.focus();
    }
    this.#showCounts(arranged.length);
  }

  #showCounts(shown: number): void {
    const all = this.#rows.length;
    setText(byId('series-count'), shown === all ? formatCount(all) : `${formatCount(shown)} of ${formatCount(all)}`);
    const empty = byId('series-empty');
    empty.hidden = shown > 0 && shown <= MAX_ROWS;
    if (shown > MAX_ROWS)
      setContent(
        empty,
        `The first ${MAX_ROWS} are shown; the filter finds the other ${formatCount(shown - MAX_ROWS)}.`,
      );
    else if (all > 0)
      setContent(
        empty,
        element('b', {}, 'No series matches'),
        'Every word must be in its symbol, exchange, timeframe or state.',
      );
    else if (!this.#isRead)
      setContent(
        empty,
        element('b', {}, 'Not known yet'),
        'They are read as soon as the service and its database answer.',
      );
    else
      setContent(
        empty,
        element('b', {}, 'No series yet'),
        'MARKETS and TIMEFRAMES say what is collected; the first candles arrive a few seconds after the start.',
      );
  }

  #createHead(): HTMLElement {
    const { column, isDescending } = this.#sort;
    return element(
      'tr',
      {},
      ...COLUMNS.map(({ id, title, hint }) =>
        element(
          'th',
          { scope: 'col', ...(id === column ? { 'aria-sort': isDescending ? 'descending' : 'ascending' } : {}) },
          element(
            'button',
            { type: 'button', 'data-key': id, title: hint },
            id === column ? `${title} ${isDescending ? '↓' : '↑'}` : title,
          ),
        ),
      ),
    );
  }

  /** Fills the row, a new one where there is none yet. */
  #updateRow(known: Element | undefined, row: SeriesRow, isFocusable: boolean): HTMLElement {
    const target = known instanceof HTMLElement ? known : element('tr', { 'data-key': row.key });
    target.tabIndex = isFocusable ? 0 : -1;
    target.setAttribute('aria-selected', String(row.key === this.#selected));
    // To build what is there already would take longer than all the rest, with hundreds of rows.
    const { key, series, slots, lagMs, tone } = row;
    const content = JSON.stringify([key, series, slots, lagMs === null ? null : formatDuration(lagMs), tone]);
    if (this.#drawn.get(target) === content) return target;
    this.#drawn.set(target, content);
    const before = target.querySelector('.close')?.textContent ?? '';
    const cells = createCells(row);
    const now = cells.at(-1)?.textContent ?? '';
    const isChanged = before.length > 1 && before !== now;
    setContent(target, ...cells);
    if (isChanged) target.querySelector('.close')?.classList.add('changed');
    return target;
  }

  #sortBy(event: Event): void {
    const column = keyOf(event.target) as SortColumn | null;
    if (column === null) return;
    // What is worst comes first: the least complete, the latest.
    const isDescending =
      this.#sort.column === column ? !this.#sort.isDescending : column === 'lag' || column === 'close';
    this.#sort = { column, isDescending };
    this.#draw();
    // What was sorted to the top is what is asked for.
    byId('series-scroll').scrollTop = 0;
  }

  #walk(event: KeyboardEvent): void {
    const index = [...this.#body.children].indexOf(document.activeElement as Element);
    const last = this.#body.children.length - 1;
    const steps: Readonly<Record<string, number>> = {
      ArrowDown: index + 1,
      j: index + 1,
      ArrowUp: index - 1,
      k: index - 1,
      PageDown: index + 10,
      PageUp: index - 10,
      Home: 0,
      End: last,
    };
    const target = steps[event.key];
    if (target !== undefined) {
      event.preventDefault();
      this.#focusRow(Math.min(last, Math.max(0, target)));
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      const key = keyOf(event.target);
      if (key !== null) this.#onSelect(key);
    } else if (event.key === 'Escape' && this.#filter !== '') {
      event.preventDefault();
      this.#setFilter('');
    }
  }

  #focusRow(index: number): void {
    const row = this.#body.children[index];
    if (!(row instanceof HTMLElement)) return;
    for (const other of this.#body.children) if (other instanceof HTMLElement) other.tabIndex = -1;
    row.tabIndex = 0;
    row.focus();
  }
}

function keyOf(target: EventTarget | null): string | null {
  if (!(target instanceof Element)) return null;
  return target.closest<HTMLElement>('[data-key]')?.dataset['key'] ?? null;
}

function createCells(row: SeriesRow): HTMLElement[] {
  const { series, lagMs, tone } = row;
  const state = describeState(row);
  const lag = lagMs === null ? '–' : lagMs === 0 ? 'current' : formatDuration(lagMs);
  const last = series.last === null ? 'nothing stored yet' : `newest candle ${formatMoment(series.last)} UTC`;
  return [
    element(
      'td',
      { title: state },
      element(
        'span.name',
        {},
        element('i.dot', { 'data-tone': tone }),
        element('span.visually-hidden', {}, `${state}.`),
        element(
          'span',
          {},
          element('b', {}, series.symbol),
          element('span.muted', {}, `${series.exchange} · ${series.timeframe}`),
        ),
      ),
    ),
    createShareCell(row),
    element('td.toned', { 'data-tone': lagMs === 0 || tone === 'good' ? 'quiet' : tone, title: last }, lag),
    element('td.close', {}, series.last_close === null ? '–' : formatDecimal(series.last_close)),
  ];
}

function createShareCell({ slots, series }: SeriesRow): HTMLElement {
  if (slots === null) return element('td', { title: 'The ledger says nothing of it yet.' }, '–');
  const { settled, total } = countSettled(slots);
  const lost = slots.refused + slots.out_of_window;
  const title = [
    `${countOf(slots.have, 'candle', 'candles')} stored`,
    `${formatCount(slots.missing)} missing`,
    ...(slots.confirmed_empty > 0 ? [`${formatCount(slots.confirmed_empty)} without trades`] : []),
    ...(lost > 0 ? [`${formatCount(lost)} not to be had`] : []),
    ...(series.first === null ? [] : [`since ${formatMoment(series.first)}`]),
  ].join(', ');
  const bar = element('span.bar', { 'aria-hidden': 'true' });
  for (const [tone, count] of [
    ['good', settled],
    ['bad', lost],
    ['warn', slots.missing],
  ] as const) {
    if (count === 0) continue;
    const part = element('i', { 'data-tone': tone });
    part.style.width = `${Math.max(count === settled ? 0 : 4, (count / total) * 100)}%`;
    bar.append(part);
  }
  return element('td', { title }, element('span.share', {}, element('span', {}, formatShare(settled, total)), bar));
}
