import type { CoverageObject, ExchangeState, HealthDocument, QuarantinedAnswer, SeriesObject } from './answers.ts';
import { byId, element, setContent, setText } from './element.ts';
import { countOf, formatCount } from './figures.ts';
import { describeNoError, type Silence, type Tone } from './judge-health.ts';
import { formatDuration, formatMoment, formatRange } from './moments.ts';

/** More than that are told as a number. */
const MAX_ENTRIES = 60;

/**
 * The ranges that are missing, of every series. Each is a button with the index of the gap as its key.
 *
 * @param told `isMore`: not all are in the list; `isRead`: the ledger was read; `isKnown`: the ledger knows of any
 *   series at all; `isNow`: not what was read before an outage; `lost`: slots that are wanted and cannot be had
 */
export function showGaps(
  gaps: readonly CoverageObject[],
  told: {
    readonly isMore: boolean;
    readonly isRead: boolean;
    readonly isKnown: boolean;
    readonly isNow: boolean;
    readonly lost: number;
  },
): void {
  const { isMore, isRead, isKnown, isNow, lost } = told;
  const slots = gaps.reduce((sum, gap) => sum + gap.slots, 0);
  setText(byId('gaps-count'), gaps.length === 0 ? '' : `${isMore ? 'over ' : ''}${countOf(slots, 'slot', 'slots')}`);
  setContent(
    byId('gaps'),
    ...(gaps.length === 0
      ? [
          isKnown
            ? isNow
              ? lost > 0
                ? createEmpty(
                    'Nothing left to fetch',
                    `${countOf(lost, 'slot', 'slots')} cannot be had: refused, or deleted before.`,
                  )
                : createEmpty('No gap', 'Everything that is wanted is stored, or known not to exist.')
              : createEmpty('Not known now', 'There was no gap when the ledger was read last.')
            : createEmpty(
                'Not known yet',
                `Gaps are counted ${isRead ? 'from the first candle on' : 'as soon as the ledger can be read'}.`,
              ),
        ]
      : gaps.slice(0, MAX_ENTRIES).map(createGap)),
    gaps.length > MAX_ENTRIES || isMore
      ? element('p.entry.muted', {}, 'There are more: GET /v1/gaps lists them all.')
      : null,
  );
}

function createGap(gap: CoverageObject, index: number): HTMLElement {
  const metric = gap.metric === 'ohlcv' ? gap.timeframe : gap.metric.replaceAll('_', ' ');
  const asked = gap.asks === 0 ? 'not asked for yet' : `asked ${countOf(gap.asks, 'time', 'times')} in vain`;
  return element(
    'button.entry',
    { type: 'button', 'data-key': index, title: gap.metric === 'ohlcv' ? 'Show it in the chart' : 'Show its market' },
    element(
      'span.entry-head',
      {},
      element('b', {}, gap.symbol),
      element('span.muted', {}, `${gap.exchange} · ${metric}`),
      element('span.tag', { 'data-tone': 'warn' }, formatCount(gap.slots)),
    ),
    element('span.detail', {}, `${formatRange(gap.since, gap.until)}, ${gap.reason ?? asked}`),
  );
}

/** What went wrong last, from every part of the service that tells it, and the rows that could not be stored. */
export function showErrors({
  health,
  silence,
  series,
  quarantined,
}: {
  readonly health: HealthDocument | null;
  readonly silence: Silence | null;
  readonly series: readonly SeriesObject[];
  readonly quarantined: readonly QuarantinedAnswer[];
}): void {
  const errors = health === null ? [] : listErrors(health, series);
  const count = errors.length + quarantined.length;
  setText(byId('errors-count'), count === 0 ? '' : formatCount(count));
  setContent(
    byId('errors'),
    ...errors.slice(0, MAX_ENTRIES).map(({ from, message, tone }) => createEntry(from, message, tone, null)),
    ...quarantined.map(({ exchange, symbol, timeframe, reason, seen, last_seen_at }) =>
      createEntry(
        `${symbol} ${timeframe}`,
        `${reason} (${exchange}, ${countOf(seen, 'time', 'times')}, last ${formatMoment(last_seen_at)})`,
        'warn',
        'quarantine',
      ),
    ),
    count === 0 ? createEmpty(...describeNoError(health, silence)) : null,
  );
}

function listErrors(
  health: HealthDocument,
  series: readonly SeriesObject[],
): { readonly from: string; readonly message: string; readonly tone: Tone }[] {
  const { ingest, recent_ohlcv: recent, exchanges, replica, audit } = health;
  const found: (readonly [string, string | null | undefined, Tone])[] = [
    ...exchanges.map(({ exchange, block }) => [`${exchange} refuses`, block?.message, 'bad'] as const),
    ...exchanges.map(({ exchange, last_error }) => [exchange, last_error, 'warn'] as const),
    ...exchanges.map(({ exchange, stream }) => [`${exchange} stream`, stream?.last_error, 'warn'] as const),
    ['recent_ohlcv', recent.last_error, 'warn'],
    ['audit', audit.last_error, 'warn'],
    ['replica', replica?.last_error, 'warn'],
    ...series.map(
      (entry) =>
        [`${entry.symbol} ${entry.timeframe}`, entry.last_error, entry.state === 'refused' ? 'bad' : 'warn'] as const,
    ),
    ['ingest', ingest.last_error, 'warn'],
  ];
  const told = new Set<string>();
  return found.flatMap(([from, message, tone]) => {
    // One failure is told by the series, its exchange and ingest alike.
    if (message === null || message === undefined || told.has(message)) return [];
    told.add(message);
    return [{ from, message, tone }];
  });
}

/**
 * Each exchange: whether it answers, what of its allowances is used, and its stream.
 *
 * @param nowMs the service's clock, epoch ms; null where it does not answer, and nothing is known of now
 */
export function showExchanges(health: HealthDocument | null, nowMs: number | null): void {
  const exchanges = health?.exchanges ?? [];
  setContent(
    byId('exchanges'),
    ...exchanges.map((exchange) => createExchange(exchange, nowMs)),
    exchanges.length === 0 ? createEmpty('No exchange', 'Nothing is collected by this process yet.') : null,
  );
}

function createExchange({ exchange, state, block, budgets, stream, series }: ExchangeState, nowMs: number | null) {
  const tone = nowMs === null ? 'quiet' : state === 'up' ? 'good' : 'bad';
  const heard =
    nowMs === null || typeof stream?.last_message_at !== 'string' ? null : nowMs - Date.parse(stream.last_message_at);
  const streamText =
    stream === null
      ? 'no stream: asked by REST'
      : [
          `stream ${stream.state}`,
          countOf(stream.subscribed, 'series', 'series'),
          ...(heard === null ? [] : [`heard ${heard < 5000 ? 'just now' : `${formatDuration(heard)} ago`}`]),
          ...(stream.reconnects > 0 ? [countOf(stream.reconnects, 'reconnect', 'reconnects')] : []),
        ].join(', ');
  return element(
    'div.entry',
    {},
    element(
      'div.entry-head',
      {},
      element('b', {}, exchange),
      element('span.muted', {}, countOf(series, 'series', 'series')),
      element('span.tag', { 'data-tone': tone }, nowMs === null ? `was ${state}` : state),
    ),
    element('div.detail', {}, streamText),
    block === null
      ? null
      : element(
          'div.remedy',
          {},
          `${block.reason} until ${block.until ? formatMoment(block.until, { seconds: true }) : 'somebody acts'}: ${block.message}`,
        ),
    ...budgets.map(createBudget),
  );
}

function createBudget({ name, used, limit, window_seconds }: ExchangeState['budgets'][number]): HTMLElement {
  const share = limit === 0 ? 0 : used / limit;
  const part = element('i', { 'data-tone': share > 0.95 ? 'bad' : share > 0.8 ? 'warn' : 'good' });
  part.style.width = `${Math.min(100, share * 100)}%`;
  return element(
    'div.budget',
    {},
    element('span', {}, `Budget: ${name}`),
    element(
      'span.muted',
      {},
      `${formatCount(used)} of ${formatCount(limit)} in ${formatDuration(window_seconds * 1000)}`,
    ),
    element('span.bar', { 'aria-hidden': 'true' }, part),
  );
}

/** Where the schema stands, what is pending, and what is deferred for which reason. */
export function showSchema(health: HealthDocument | null): void {
  const schema = health?.schema ?? null;
  if (schema === null) {
    setText(byId('schema-count'), '');
    setContent(byId('schema'), createEmpty('Not known yet', 'It is read as soon as the database answers.'));
    return;
  }
  const { version, head, pending, unknown, edited, deferred, timescaledb } = schema;
  const isAtHead = version === head && pending.length === 0;
  setText(byId('schema-count'), timescaledb === null ? 'plain PostgreSQL' : `TimescaleDB ${timescaledb}`);
  const groups = Map.groupBy(deferred, ({ reason, remedy }) => `${reason}\n${remedy}`);
  setContent(
    byId('schema'),
    createEntry(
      version ?? 'no revision yet',
      isAtHead ? 'The newest of this build.' : `This build ends at ${head}.`,
      isAtHead ? 'good' : 'warn',
      isAtHead ? 'at head' : 'behind',
    ),
    ...pending.map((revision) => createEntry(revision, 'Has not run. Remedy: make db-upgrade', 'bad', 'pending')),
    ...unknown.map((revision) =>
      createEntry(revision, 'The database is newer than this build: run a newer one.', 'bad', 'unknown'),
    ),
    ...edited.map((revision) => createEntry(revision, 'Its source is not what was run here.', 'warn', 'edited')),
    ...[...groups.values()].map((steps) => {
      const [first] = steps;
      const entry = createEntry(steps.map(({ step }) => step).join(', '), first?.reason ?? '', 'quiet', 'deferred');
      entry.append(element('div.remedy', {}, 'Remedy: ', element('code', {}, first?.remedy ?? '')));
      return entry;
    }),
    deferred.length === 0 ? element('p.entry.muted', {}, 'Nothing is deferred.') : null,
  );
}

function createEntry(title: string, detail: string, tone: Tone, tag: string | null): HTMLElement {
  return element(
    'div.entry',
    {},
    element(
      'div.entry-head',
      {},
      tag === null ? element('i.dot', { 'data-tone': tone }) : null,
      element('b', {}, title),
      tag === null ? null : element('span.tag', { 'data-tone': tone }, tag),
    ),
    element('div.detail', {}, detail),
  );
}

function createEmpty(title: string, text: string): HTMLElement {
  return element('div.empty', {}, element('b', {}, title), text);
}
