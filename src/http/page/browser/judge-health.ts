import type { HealthDocument, SeriesObject } from './answers.ts';
import { countOf, countSettled, formatCount, formatShare } from './figures.ts';
import { formatDuration, formatMoment } from './moments.ts';

export type Tone = 'good' | 'warn' | 'bad' | 'quiet';

/** What the page says first: one sentence, what is behind it, and its tone. */
export interface Verdict {
  readonly tone: Tone;
  readonly title: string;
  readonly detail: string;
  /** One sentence each. */
  readonly reasons: readonly string[];
}

/** Set where the service did not answer: what was said, and when it answered last (epoch ms; null: never). */
export interface Silence {
  readonly message: string;
  readonly lastAnswerAt: number | null;
}

/** One figure of the row below it. */
export interface Tile {
  readonly name: string;
  readonly tone: Tone;
  readonly figure: string;
  readonly note: string;
}

const WAITING = 'It waits for the database to answer.';

/** The way of a boot, in its order. */
export const BOOT_PHASES = ['connecting', 'migrating', 'verifying', 'running'] as const;

/** The state of the service in a sentence. `isBlank`: the page has read nothing that is stored yet. */
export function judge(health: HealthDocument | null, silence: Silence | null, isBlank = false): Verdict {
  if (silence !== null) {
    const last = silence.lastAnswerAt === null ? '' : ` What is shown is of ${formatMoment(silence.lastAnswerAt)} UTC.`;
    return {
      tone: 'bad',
      title: 'The service does not answer',
      detail: `Trying again every few seconds.${last} If it stays so: is the process running, and what does its log say?`,
      reasons: [],
    };
  }
  if (health === null) return { tone: 'quiet', title: 'Asking the service how it is', detail: '', reasons: [] };
  const { status, components, ingest, reasons, phase_detail: detail } = health;
  if (status === 'stopping') return { tone: 'warn', title: 'The service is stopping', detail: detail ?? '', reasons };
  if (status === 'starting')
    return {
      tone: 'quiet',
      title: 'The service is starting',
      detail: detail ?? (components.database === 'down' ? WAITING : ''),
      reasons,
    };
  if (components.database === 'down')
    return {
      tone: 'bad',
      title: 'The database does not answer',
      detail: `${isBlank ? 'Nothing has been read yet.' : 'What is shown is the last that was read.'} The service reconnects by itself as soon as the database is back.`,
      reasons: reasons.filter((reason) => reason !== 'the database does not answer'),
    };
  if (status === 'unhealthy') return { tone: 'bad', title: 'The service cannot do its work', detail: '', reasons };
  if (status === 'degraded') return { tone: 'warn', title: 'It runs, but not all is well', detail: '', reasons };
  const open = ingest.series - ingest.complete;
  if (ingest.series === 0)
    return {
      tone: 'quiet',
      title: 'It runs and collects nothing yet',
      detail: 'Its markets are being read, or MARKETS names none that is collected here.',
      reasons,
    };
  if (open > 0)
    return {
      tone: 'good',
      title: 'All is well, history is being filled',
      detail: `${countOf(open, 'series is', 'series are')} not complete yet.`,
      reasons,
    };
  return {
    tone: 'good',
    title: 'All is well',
    detail: `${countOf(ingest.series, 'series is', 'series are')} complete up to the newest closed candle.`,
    reasons,
  };
}

/** What stands beside the sentence. Nobody knows of a service that does not answer how long it is up, or at all. */
export function listFacts(health: HealthDocument | null, silence: Silence | null): string[] {
  if (silence !== null) return ['uptime not known now', 'database not known now'];
  if (health === null) return [];
  const alive = health.replica?.alive ?? 1;
  return [
    `up ${formatDuration(health.uptime_seconds * 1000)}`,
    `database ${health.components.database}`,
    ...(alive > 1 ? [`one of ${alive} replicas`] : []),
  ];
}

/** What stands where no error is to be told: a title and a text. That none is known is not that there is none. */
export function describeNoError(
  health: HealthDocument | null,
  silence: Silence | null,
): readonly [title: string, text: string] {
  if (silence !== null)
    return [
      'Not known now',
      health === null ? 'The service does not answer.' : 'Before the service fell silent it told of no error.',
    ];
  if (health === null) return ['Not known yet', 'The service is being asked.'];
  if (health.components.database === 'down')
    return ['No other error', 'Refused rows are not known while the database does not answer.'];
  return ['No error', 'Nothing has failed lately, and no row was refused.'];
}

/**
 * The figures below the sentence, in their order. Those of a service that does not answer any more say of when they are.
 */
export function listTiles(
  health: HealthDocument,
  series: readonly SeriesObject[],
  silence: Silence | null = null,
): Tile[] {
  const tiles = describeTiles(health, series);
  if (silence === null) return tiles;
  const note = `at ${formatMoment(Date.parse(health.timestamp))} UTC`;
  return tiles.map((tile) => ({ ...tile, tone: 'quiet', note }));
}

function describeTiles(health: HealthDocument, series: readonly SeriesObject[]): Tile[] {
  return [
    describeCoverage(health),
    describeSeries(health, series),
    describeLag(health),
    describeExchanges(health),
    describeRefused(health),
    describeSchema(health),
  ];
}

function describeCoverage({ coverage }: HealthDocument): Tile {
  const name = 'Completeness';
  if (!coverage || countSettled(coverage).total === 0)
    return { name, tone: 'quiet', figure: '–', note: 'not counted yet' };
  // Of what can be had: what an exchange deleted or refuses nobody can fill, and it is told beside.
  const { settled } = countSettled(coverage);
  const lost = coverage.refused + coverage.out_of_window;
  const parts = [
    ...(coverage.missing > 0 ? [`${formatCount(coverage.missing)} missing`] : []),
    ...(lost > 0 ? [`${formatCount(lost)} not to be had`] : []),
  ];
  const note = parts.length === 0 ? `${formatCount(coverage.have)} stored` : parts.join(', ');
  return {
    name,
    tone: coverage.missing > 0 ? 'warn' : 'good',
    figure: formatShare(settled, settled + coverage.missing),
    note,
  };
}

function describeSeries({ ingest, components }: HealthDocument, series: readonly SeriesObject[]): Tile {
  const refused = series.filter(({ state }) => state === 'refused').length;
  const notes = [
    ...(ingest.behind > 0 ? [`${formatCount(ingest.behind)} behind`] : []),
    ...(refused > 0 ? [`${formatCount(refused)} refused`] : []),
  ];
  const isOpen = ingest.complete < ingest.series;
  return {
    name: 'Series complete',
    tone: components.ingest !== 'running' || ingest.behind > 0 || refused > 0 ? 'warn' : isOpen ? 'quiet' : 'good',
    figure: `${formatCount(ingest.complete)} of ${formatCount(ingest.series)}`,
    note:
      notes.length > 0 ? notes.join(', ') : isOpen ? 'history is being filled' : `collecting is ${components.ingest}`,
  };
}

function describeLag({ ingest }: HealthDocument): Tile {
  const name = 'Lag';
  const { max_lag_seconds: lag } = ingest;
  if (lag === null) return { name, tone: 'quiet', figure: '–', note: 'not known yet' };
  return {
    name,
    tone: ingest.behind > 0 ? 'warn' : 'good',
    figure: formatDuration(lag * 1000),
    note: lag === 0 ? 'no candle is late' : 'for a candle that has closed',
  };
}

function describeExchanges({ exchanges }: HealthDocument): Tile {
  const up = exchanges.filter(({ state }) => state === 'up').length;
  const streams = exchanges.flatMap(({ stream }) => (stream ? [stream] : []));
  const away = exchanges.find(({ state }) => state !== 'up');
  const live = streams.filter(({ state }) => state === 'live').length;
  const note =
    streams.length === 0
      ? 'asked by REST'
      : live === streams.length
        ? `live stream of ${formatCount(sum(streams.map(({ subscribed }) => subscribed)))} series`
        : `${live} of ${streams.length} streams live`;
  return {
    name: exchanges.length === 1 ? 'Exchange' : 'Exchanges',
    tone: exchanges.length === 0 ? 'quiet' : up < exchanges.length ? 'bad' : live < streams.length ? 'warn' : 'good',
    figure:
      exchanges.length === 0
        ? 'none'
        : exchanges.length === 1
          ? (exchanges[0]?.state ?? '')
          : `${up} of ${exchanges.length} up`,
    note:
      exchanges.length === 0
        ? 'nothing is collected here'
        : (away?.last_error ?? (away ? `${away.exchange} does not answer` : note)),
  };
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

function describeRefused({ quarantine, revisions }: HealthDocument): Tile {
  return {
    name: 'Quarantine',
    tone: quarantine === null ? 'quiet' : quarantine > 0 ? 'warn' : 'good',
    figure: quarantine === null ? '–' : countOf(quarantine, 'row', 'rows'),
    note: revisions === null ? 'not counted yet' : `${countOf(revisions, 'candle', 'candles')} rewritten`,
  };
}

function describeSchema({ schema }: HealthDocument): Tile {
  const name = 'Schema';
  if (schema === null) return { name, tone: 'quiet', figure: '–', note: 'not known yet' };
  const { version, pending, unknown, deferred } = schema;
  const number = version?.split('_', 1)[0] ?? 'none';
  if (unknown.length > 0) return { name, tone: 'bad', figure: number, note: 'newer than this build' };
  if (pending.length > 0)
    return { name, tone: 'bad', figure: number, note: `${pending.length} pending: run db-upgrade` };
  return {
    name,
    tone: 'good',
    figure: `${number}, at head`,
    note: deferred.length === 0 ? 'nothing deferred' : `${countOf(deferred.length, 'step', 'steps')} deferred`,
  };
}
