import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Job } from './job.ts';
import { TelegramClient, type TelegramClientDeps } from './telegram-client.ts';
import type { IngestHealth } from '../market/service-state.ts';

/** What the job needs of the repository of telegram_reports. */
interface ReportLog {
  insert(report: {
    readonly reportType: string;
    readonly content: string;
    readonly success: boolean;
    readonly errorMessage: string | null;
  }): Promise<void>;
}

export interface SendTelegramReportDeps {
  readonly telegram: TelegramClientDeps & { readonly cron: string };
  readonly ingest: { health(): IngestHealth };
  /** How this process stands among those that share the work; without it, it does all of it. */
  readonly replica?: () => {
    readonly id: string;
    readonly alive: number | null;
    readonly markets: number;
    readonly held: number;
  };
  readonly repositories: { readonly telegramReports: ReportLog };
  readonly logger: Logger;
}

/**
 * Sends an hourly summary to a Telegram chat and keeps each one, with its outcome, in telegram_reports. Of several
 * processes the one that has the turn reports, and says what its part of the work is.
 */
export class SendTelegramReport implements Job {
  readonly name = 'send-telegram-report';
  readonly cron: string;
  /** That the database is away is what a report is for. */
  readonly runsUnclaimed = true;
  readonly #deps: SendTelegramReportDeps;
  readonly #client: TelegramClient;

  constructor(deps: SendTelegramReportDeps) {
    this.cron = deps.telegram.cron;
    this.#deps = deps;
    this.#client = new TelegramClient(deps.telegram);
  }

  async run(signal: AbortSignal): Promise<void> {
    const { ingest, repositories, logger, replica } = this.#deps;
    const content = createReport(ingest.health(), replica?.() ?? null);
    let errorMessage: string | null = null;
    try {
      await this.#client.sendMessage(content, signal);
    } catch (error) {
      signal.throwIfAborted();
      errorMessage = messageOf(error);
      logger.warn({ error: errorMessage }, 'the telegram report was not sent');
    }
    await repositories.telegramReports.insert({
      reportType: 'hourly',
      content,
      success: errorMessage === null,
      errorMessage,
    });
  }
}

type ReplicaPart = ReturnType<NonNullable<SendTelegramReportDeps['replica']>>;

/** The report's text: a few lines for a person. */
function createReport(health: IngestHealth, replica: ReplicaPart | null): string {
  const { state, series, complete, behind, refused, max_lag_seconds: lag, last_error: error } = health;
  const rest = series - complete - behind - refused;
  const counts = [`${complete} of ${series} series complete`];
  if (behind > 0) counts.push(`${behind} behind`);
  if (rest > 0) counts.push(`${rest} backfilling`);
  if (refused > 0) counts.push(`${refused} refused`);
  const lines = [`candlekeep: ingest ${state}`, counts.join(', ')];
  lines.push(lag === null ? 'lag unknown' : `lag ${lag} s`);
  // The counts above are of one process's part only.
  if (replica !== null && replica.alive !== null && replica.alive > 1)
    lines.push(`${replica.held} of ${replica.markets} markets are here, replica ${replica.id} of ${replica.alive}`);
  if (error !== null) lines.push(`last error: ${error}`);
  return lines.join('\n');
}
