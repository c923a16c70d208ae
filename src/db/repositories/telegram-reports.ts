import type { Kysely } from 'kysely';
import type { Database } from '../schema.ts';

/** One report that was sent, or that could not be. */
export interface TelegramReport {
  readonly reportType: string;
  readonly content: string;
  readonly success: boolean;
  /** Why it could not be sent; null where it was. */
  readonly errorMessage: string | null;
}

/** telegram_reports: what was reported to the chat, and whether it arrived. */
export class TelegramReportsRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /** Keeps a report; the database sets its time. */
  async insert({ reportType, content, success, errorMessage }: TelegramReport): Promise<void> {
    await this.#kysely
      .insertInto('telegram_reports')
      .values({ report_type: reportType, content, success, error_message: errorMessage })
      .execute();
  }
}
