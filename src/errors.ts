/**
 * Errors that callers tell apart. Match a class or an SQLSTATE, never a message.
 *
 * `code` is a stable word for logs and problem documents; `cause` keeps the error underneath.
 */
export class AppError extends Error {
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = new.target.name;
  }
}

/** The environment or `.env` holds values that cannot be used. `problems` has one line for each. Exit code 2. */
export class ConfigError extends AppError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super('CONFIG_INVALID', `the configuration is not valid:\n${problems.map((line) => `  ${line}`).join('\n')}`);
    this.problems = problems;
  }
}

/** The database cannot be reached or refuses us. `retryable`: waiting may help (it is starting, the network is down). */
export class DatabaseUnavailableError extends AppError {
  readonly retryable: boolean;

  constructor(message: string, options: ErrorOptions & { retryable: boolean }) {
    super('DATABASE_UNAVAILABLE', message, options);
    this.retryable = options.retryable;
  }
}

/** A revision failed, or the upgrade as a whole could not start. The database is as it was before `revision`. */
export class MigrationError extends AppError {
  readonly revision: string | null;
  /** The statement's SQLSTATE where PostgreSQL gave one. */
  readonly sqlState: string | null;

  constructor(message: string, options: ErrorOptions & { revision: string | null; code?: string }) {
    super(options.code ?? 'MIGRATION_FAILED', message, options);
    this.revision = options.revision;
    this.sqlState = sqlStateOf(options.cause);
  }
}

/** The schema is not what this build needs. `differences` has one line for each. */
export class SchemaMismatchError extends AppError {
  readonly differences: readonly string[];

  constructor(message: string, differences: readonly string[]) {
    super('SCHEMA_MISMATCH', `${message}:\n${differences.map((line) => `  ${line}`).join('\n')}`);
    this.differences = differences;
  }
}

/** The exchange did not answer, or asked us to wait. Ask again, not before `retryAfterMs` where it is given. */
export class ExchangeUnavailableError extends AppError {
  readonly exchange: string;
  readonly retryAfterMs: number | null;
  /** `throttled`: 429; `banned`: 418; `unreachable`: everything else that passes. */
  readonly reason: 'throttled' | 'banned' | 'unreachable';

  constructor(
    exchange: string,
    message: string,
    options: ErrorOptions & { reason?: ExchangeUnavailableError['reason']; retryAfterMs?: number | null } = {},
  ) {
    super('EXCHANGE_UNAVAILABLE', message, options);
    this.exchange = exchange;
    this.reason = options.reason ?? 'unreachable';
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

/** The exchange refused the request itself (unknown symbol, timeframe, blocked region): asking again does not help. */
export class ExchangeRejectedError extends AppError {
  readonly exchange: string;
  /** `symbol`: this market only; `access`: the whole exchange refuses us (403, 451). */
  readonly reason: 'symbol' | 'timeframe' | 'access' | 'request';

  constructor(exchange: string, message: string, options: ErrorOptions & { reason: ExchangeRejectedError['reason'] }) {
    super('EXCHANGE_REJECTED', message, options);
    this.exchange = exchange;
    this.reason = options.reason;
  }
}

/** The exchange answered, but the answer fails our parse (HTML with status 200, cut JSON, rows of another shape). */
export class ExchangeDataError extends AppError {
  readonly exchange: string;

  constructor(exchange: string, message: string, options?: ErrorOptions) {
    super('EXCHANGE_DATA', message, options);
    this.exchange = exchange;
  }
}

/** The text of anything that was thrown, with the texts of its causes. */
export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Node reports a refused connection to several addresses as an AggregateError with an empty message.
  const own =
    error instanceof AggregateError && error.message === '' ? error.errors.map(messageOf).join('; ') : error.message;
  if (error.cause === undefined) return own;
  const cause = messageOf(error.cause);
  // Some say their cause themselves.
  return own.includes(cause) ? own : `${own}: ${cause}`;
}

/** The SQLSTATE (five characters) of an error from PostgreSQL or of the first cause that has one; otherwise null. */
export function sqlStateOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('code' in error && typeof error.code === 'string' && /^[0-9A-Z]{5}$/.test(error.code) && 'severity' in error)
    return error.code;
  return sqlStateOf(error.cause);
}
