import type { RejectedRow } from '../../exchanges/exchange.ts';
import type { Logger } from '../../logger.ts';
import type { CoverageKey } from '../../market/coverage.ts';
import type { QuarantineEntry } from '../../market/commit-entry.ts';

export interface RejectedRowsDeps {
  readonly fields: Readonly<Record<string, string>>;
  readonly logger: Logger;
}

const LOGGED_REJECTS = 5;
const LOGGED_RAW_LENGTH = 300;

/** The rows of one source that cannot be stored, since the start: counted, told, and the first of each answer logged. */
export class RejectedRows {
  readonly #deps: RejectedRowsDeps;
  #count = 0;
  #lastReason: string | null = null;

  constructor(deps: RejectedRowsDeps) {
    this.#deps = deps;
  }

  get count(): number {
    return this.#count;
  }

  note(rows: readonly RejectedRow[]): void {
    const { fields, logger } = this.#deps;
    this.#count += rows.length;
    this.#lastReason = rows.at(-1)?.reason ?? this.#lastReason;
    for (const { raw, reason } of rows.slice(0, LOGGED_REJECTS))
      logger.warn(
        { ...fields, reason, raw: toText(raw).slice(0, LOGGED_RAW_LENGTH), rejected: rows.length },
        'a row was refused',
      );
  }

  /** For a person: how many, of what, and why the last one; null where there is none. */
  describe(): string | null {
    if (this.#lastReason === null) return null;
    const name = Object.values(this.#deps.fields).join(' ');
    const rows = this.#count === 1 ? '1 row of' : `${this.#count} rows of`;
    return `${rows} ${name} ${this.#count === 1 ? 'was' : 'were'} refused, last: ${this.#lastReason}`;
  }
}

/** The rows as quarantine keeps them. */
export function toQuarantine(
  key: CoverageKey,
  rows: readonly RejectedRow[],
  source: QuarantineEntry['source'],
): QuarantineEntry[] {
  return rows.map(({ raw, reason, timestamp }) => ({
    ...key,
    claimedAt: timestamp ?? null,
    reason,
    raw: toText(raw),
    source,
  }));
}

function toText(raw: unknown): string {
  if (typeof raw === 'string') return raw;
  // A list, since of undefined alone there is no JSON.
  return JSON.stringify([raw]).slice(1, -1);
}
