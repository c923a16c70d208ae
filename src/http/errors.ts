import { STATUS_CODES } from 'node:http';
import { AppError, MigrationError, SchemaMismatchError, sqlStateOf } from '../errors.ts';

/** One thing that is wrong with a request: the parameter or body field, and what it should be. */
export interface FieldFault {
  readonly field: string;
  readonly message: string;
}

/** An RFC 9457 problem document (https://www.rfc-editor.org/rfc/rfc9457). `type` is stable: branch on it. */
export interface Problem {
  /** `urn:candlekeep:problem:` and the error's code in lower case with dashes. */
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** What happened here, and what to do. */
  readonly detail: string;
  /** The path that was asked for. */
  readonly instance: string;
  readonly errors?: readonly FieldFault[];
  readonly [extension: string]: unknown;
}

/** A refusal that a handler decided on. `code` chooses the status in the table below. */
export class RequestError extends AppError {
  readonly errors: readonly FieldFault[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    message: string,
    options: ErrorOptions & { errors?: readonly FieldFault[]; headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(code, message, options);
    this.errors = options.errors ?? [];
    this.headers = options.headers ?? {};
  }
}

/** The one table from error code to HTTP status. What it does not name is 500 and shows nothing of the error. */
const ANSWERS = {
  REQUEST_INVALID: { status: 400, title: 'The request is not valid' },
  BODY_MALFORMED: { status: 400, title: 'The body is not valid JSON' },
  REVISION_UNKNOWN: { status: 400, title: 'There is no such revision' },
  DOWNGRADE_REFUSED: { status: 400, title: 'Downgrades are refused' },
  TOKEN_REQUIRED: { status: 401, title: 'A valid bearer token is required' },
  ADMIN_DISABLED: { status: 403, title: 'Admin requests are switched off' },
  ROUTE_UNKNOWN: { status: 404, title: 'There is nothing at this path' },
  SERIES_UNKNOWN: { status: 404, title: 'Nothing is stored of this' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'This path does not answer this method' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive' },
  UPGRADE_IN_PROGRESS: { status: 409, title: 'Another upgrade is running' },
  SCHEMA_MISMATCH: { status: 409, title: 'The database does not hold the schema that is expected' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  BODY_TYPE_UNSUPPORTED: { status: 415, title: 'The body must be JSON' },
  ATTEMPTS_EXCEEDED: { status: 429, title: 'Too many wrong tokens' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The request line or its headers are too large' },
  MIGRATION_FAILED: { status: 500, title: 'A revision failed' },
  DATABASE_UNAVAILABLE: { status: 503, title: 'The database cannot be reached' },
  NOT_RUNNING: { status: 503, title: 'The service is not running yet, or no longer' },
  NOT_POPULATED: { status: 503, title: 'The view has not been filled yet' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof ANSWERS;

/** Fastify's own error codes (https://fastify.dev/docs/latest/Reference/Errors/) in our terms. */
const FRAMEWORK_CODES: Readonly<Record<string, { code: ProblemCode; detail: string }>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'BODY_TOO_LARGE', detail: 'A body may have at most 64 kB.' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: {
    code: 'BODY_TYPE_UNSUPPORTED',
    detail: 'Send JSON, with the header "content-type: application/json".',
  },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'BODY_MALFORMED', detail: 'The body is empty: send a JSON object such as {}.' },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'BODY_MALFORMED', detail: 'The body cannot be parsed as JSON.' },
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: {
    code: 'BODY_MALFORMED',
    detail: 'The body is shorter or longer than its content-length.',
  },
  FST_ERR_BAD_URL: { code: 'REQUEST_INVALID', detail: 'The path has a percent sign that begins no valid escape.' },
};

/** Connection failures of Node's sockets and resolver. */
const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

const RETRY_AFTER_S = 5;

/** What to answer, and what to remember of it. */
export interface Answer {
  readonly code: string;
  readonly problem: Problem;
  readonly headers: Readonly<Record<string, string>>;
}

export interface AnswerContext {
  readonly path: string;
  readonly requestId: string;
  /** Whether the database is known to be down: then an error without a better explanation is answered with 503. */
  readonly isDatabaseDown: boolean;
}

/** A problem document of this code. */
export function createProblem(code: ProblemCode, detail: string, path: string, more: object = {}): Problem {
  return { type: problemType(code), ...ANSWERS[code], detail, instance: path, ...more };
}

/** The answer to anything that a handler, a hook or Fastify itself threw. */
export function answerError(error: unknown, { path, requestId, isDatabaseDown }: AnswerContext): Answer {
  const known = (
    code: ProblemCode,
    detail: string,
    more: object = {},
    headers: Record<string, string> = {},
  ): Answer => ({
    code,
    problem: createProblem(code, detail, path, more),
    headers: ANSWERS[code].status === 503 ? { 'retry-after': String(RETRY_AFTER_S), ...headers } : headers,
  });
  if (error instanceof RequestError && isProblemCode(error.code))
    return known(error.code, error.message, error.errors.length > 0 ? { errors: error.errors } : {}, error.headers);
  const frameworkCode = FRAMEWORK_CODES[codeOf(error) ?? ''];
  if (frameworkCode) return known(frameworkCode.code, frameworkCode.detail);
  if (isDatabaseUnavailable(error) || (isDatabaseDown && !(error instanceof AppError)))
    // The texts of connection errors name hosts and roles: they belong in the log.
    return known('DATABASE_UNAVAILABLE', 'The database does not answer at the moment; the service keeps trying.');
  if (error instanceof MigrationError && isProblemCode(error.code))
    return known(error.code, error.message, migrationExtensions(error));
  if (error instanceof SchemaMismatchError)
    return known('SCHEMA_MISMATCH', error.message, { differences: error.differences });
  return answerUnknown(error, path, requestId);
}

function answerUnknown(error: unknown, path: string, requestId: string): Answer {
  const status = statusOf(error);
  const isOurs = status >= 500;
  return {
    code: isOurs ? 'INTERNAL' : 'REQUEST_INVALID',
    problem: {
      type: isOurs ? problemType('INTERNAL') : problemType('REQUEST_INVALID'),
      title: STATUS_CODES[status] ?? 'Error',
      status,
      detail: isOurs
        ? `Something failed inside the service; its log tells what, under the request id ${requestId}.`
        : (error as Error).message,
      instance: path,
    },
    headers: {},
  };
}

function migrationExtensions(error: MigrationError): object {
  return {
    ...(error.revision === null ? {} : { revision: error.revision }),
    ...(error.sqlState === null ? {} : { sql_state: error.sqlState }),
    ...('holder' in error ? { holder: error.holder } : {}),
  };
}

/** Whether the error, or a cause of it, says that the database is away, starting, stopping or has no free connection. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const sqlState = sqlStateOf(error);
  // https://www.postgresql.org/docs/current/errcodes-appendix.html: class 08 connection, 53300 too many connections,
  // 57P01 to 57P05 shutdowns and dropped sessions.
  if (sqlState !== null) return /^(08...|53300|57P0[1-5])$/.test(sqlState);
  if (error instanceof AggregateError) return error.errors.some(isDatabaseUnavailable);
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (code === 'DATABASE_UNAVAILABLE' || (code !== null && NETWORK_CODES.has(code))) return true;
  return isDatabaseUnavailable(error.cause);
}

function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(ANSWERS, code);
}

function problemType(code: string): string {
  return `urn:candlekeep:problem:${code.toLowerCase().replaceAll('_', '-')}`;
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** The 4xx status that Fastify put on an error of the client's making; 500 for everything else. */
function statusOf(error: unknown): number {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number') return 500;
  return error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : 500;
}
