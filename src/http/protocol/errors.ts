import { STATUS_CODES } from 'node:http';
import { AppError, MigrationError, SchemaMismatchError, sqlStateOf } from '../../errors.ts';
import {
  createProblem,
  isProblemCode,
  problemType,
  PROBLEMS,
  type FieldFault,
  type Problem,
  type ProblemCode,
} from './problems.ts';

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

/** What pg-pool throws, without a code, where no connection became free or open in time. */
const NO_FREE_CONNECTION = 'timeout exceeded when trying to connect';
const RETRY_AFTER_S = 5;
/** SQLSTATE of a statement that its timeout ended. */
const QUERY_CANCELED = '57014';

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
    headers: PROBLEMS[code].status === 503 ? { 'retry-after': String(RETRY_AFTER_S), ...headers } : headers,
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
  if (sqlStateOf(error) === QUERY_CANCELED)
    return known(
      'QUERY_TIMEOUT',
      'The database did not finish this within HTTP_STATEMENT_TIMEOUT_S: ask for a shorter range or a smaller limit.',
    );
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
  if (error.message === NO_FREE_CONNECTION) return true;
  const code = codeOf(error);
  if (code === 'DATABASE_UNAVAILABLE' || (code !== null && NETWORK_CODES.has(code))) return true;
  return isDatabaseUnavailable(error.cause);
}

function codeOf(error: unknown): string | null {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : null;
}

/** The 4xx status that Fastify put on an error of the client's making; 500 for everything else. */
function statusOf(error: unknown): number {
  if (!(error instanceof Error) || !('statusCode' in error) || typeof error.statusCode !== 'number') return 500;
  return error.statusCode >= 400 && error.statusCode < 500 ? error.statusCode : 500;
}
