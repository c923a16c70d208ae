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

/** The one table from error code to HTTP status. What it does not name is INTERNAL and shows nothing of the error. */
export const PROBLEMS = {
  REQUEST_INVALID: { status: 400, title: 'The request is not valid' },
  BODY_MALFORMED: { status: 400, title: 'The body is not valid JSON' },
  REVISION_UNKNOWN: { status: 400, title: 'There is no such revision' },
  DOWNGRADE_REFUSED: { status: 400, title: 'Downgrades are refused' },
  TOKEN_REQUIRED: { status: 401, title: 'A valid bearer token is required' },
  ADMIN_DISABLED: { status: 403, title: 'Admin requests are switched off' },
  ROUTE_UNKNOWN: { status: 404, title: 'There is nothing at this path' },
  SERIES_UNKNOWN: { status: 404, title: 'Nothing is stored of this' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'This path does not answer this method' },
  NOT_ACCEPTABLE: { status: 406, title: 'None of the accepted formats can be answered' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive' },
  UPGRADE_IN_PROGRESS: { status: 409, title: 'Another upgrade is running' },
  REVISION_UNFILLED: { status: 409, title: 'A revision of this build is not written' },
  SCHEMA_MISMATCH: { status: 409, title: 'The database does not hold the schema that is expected' },
  BODY_TOO_LARGE: { status: 413, title: 'The body is too large' },
  BODY_TYPE_UNSUPPORTED: { status: 415, title: 'The body must be JSON' },
  EXPECTATION_FAILED: { status: 417, title: 'What the request expects cannot be met' },
  ATTEMPTS_EXCEEDED: { status: 429, title: 'Too many wrong tokens' },
  RATE_LIMITED: { status: 429, title: 'Too many requests' },
  STREAMS_EXHAUSTED: { status: 429, title: 'Too many clients are listening' },
  HEADERS_TOO_LARGE: { status: 431, title: 'The request line or its headers are too large' },
  INTERNAL: { status: 500, title: 'Internal Server Error' },
  MIGRATION_FAILED: { status: 500, title: 'A revision failed' },
  DATABASE_UNAVAILABLE: { status: 503, title: 'The database cannot be reached' },
  NOT_RUNNING: { status: 503, title: 'The service is not running yet, or no longer' },
  NOT_POPULATED: { status: 503, title: 'The view has not been filled yet' },
  QUERY_TIMEOUT: { status: 504, title: 'The database needed too long for this' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof PROBLEMS;

/** A problem document of this code. */
export function createProblem(code: ProblemCode, detail: string, path: string, more: object = {}): Problem {
  return { type: problemType(code), ...PROBLEMS[code], detail, instance: path, ...more };
}

/** Whether the table names this code. */
export function isProblemCode(code: string): code is ProblemCode {
  return Object.hasOwn(PROBLEMS, code);
}

/** The `type` of problem documents of this code. */
export function problemType(code: ProblemCode): string {
  return `urn:candlekeep:problem:${code.toLowerCase().replaceAll('_', '-')}`;
}
