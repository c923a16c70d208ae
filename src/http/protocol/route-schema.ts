import { z } from 'zod';
import { HEADERS_KEY, OPTIONAL_BODY_KEY, RATE_HEADERS, type AnswerHeader } from './answer-headers.ts';
import { problemType, PROBLEMS, type ProblemCode } from './problems.ts';

/** The chapters of the OpenAPI document. */
export type Chapter = 'Data' | 'Completeness' | 'Live' | 'TradingView' | 'Service' | 'Admin';

/**
 * Who is answered, which decides what every route of that kind may be refused with.
 * `open`: everybody, in every phase. `data`: everybody, while the service runs, within the rate limit; asks the
 * database. `admin`: with the bearer token; not rate limited.
 */
type Access = 'open' | 'data' | 'admin';

/** One way in which a route answers: a JSON schema for each content type, or none where there is no body. */
export interface AnswerSchema {
  readonly description: string;
  readonly content?: Readonly<Record<string, z.ZodType>>;
  /** Besides those that every answer of its kind has. */
  readonly headers?: readonly AnswerHeader[];
}

interface OperationParts {
  /** Unique; generated clients name their functions after it. */
  readonly id: string;
  readonly chapter: Chapter;
  readonly access: Access;
  /** One line without a full stop. */
  readonly summary: string;
  /** Markdown. */
  readonly description?: string;
  /** Whether a request may come without the body. */
  readonly isBodyOptional?: boolean;
  /** Further refusals; those that follow from `access`, a query and a body are there already. */
  readonly problems?: readonly ProblemCode[];
  /** Refusals that a protocol of others makes this route answer in another way, with a success. */
  readonly leaveOut?: readonly ProblemCode[];
  /** Further answers by status, such as a 304, or the other content types of 200. */
  readonly answers?: Readonly<Record<number, AnswerSchema>>;
}

interface InputSchemas {
  querystring?: z.ZodType;
  body?: z.ZodType;
  params?: z.ZodType;
  /** Names in lower case; others are let pass. */
  headers?: z.ZodType;
}

/** An RFC 9457 problem document, as every error is answered. */
export const problemSchema = z
  .looseObject({
    type: z.string().describe('Stable: branch on it.'),
    title: z.string(),
    status: z.int(),
    detail: z.string().describe('What happened here, and what to do.'),
    instance: z.string().describe('The path that was asked for.'),
    errors: z
      .array(z.object({ field: z.string(), message: z.string() }))
      .optional()
      .describe('Each parameter or field that is wrong, and what it should be.'),
  })
  .meta({ id: 'Problem', description: 'An RFC 9457 problem document: how every error is answered.' });

const ACCESS_PROBLEMS: Readonly<Record<Access, readonly ProblemCode[]>> = {
  open: [],
  data: ['RATE_LIMITED', 'NOT_RUNNING', 'DATABASE_UNAVAILABLE', 'QUERY_TIMEOUT'],
  admin: ['TOKEN_REQUIRED', 'ADMIN_DISABLED', 'ATTEMPTS_EXCEEDED', 'NOT_RUNNING', 'DATABASE_UNAVAILABLE'],
};
const BODY_PROBLEMS: readonly ProblemCode[] = ['BODY_MALFORMED', 'BODY_TOO_LARGE', 'BODY_TYPE_UNSUPPORTED'];

/**
 * The Fastify schema of a route: it validates `input`, types the handler (what it returns must fit `answer`), and is
 * what the OpenAPI document is made of. Answers are not validated at run time: the contract tests hold them against it.
 *
 *     app.get('/v1/things', { schema: describeRoute({ id: 'listThings', chapter: 'Data', access: 'data',
 *       summary: 'The things', problems: ['SERIES_UNKNOWN'] }, { querystring: thingsQuery }, thingsAnswer) }, handler)
 *
 * A route with more content types than JSON gives them all in `parts.answers[200].content` (text as `TEXT_BODY`, bytes
 * as `BINARY_BODY`) and leaves `answer` out: then what the handler returns is not checked by the compiler.
 *
 * @param answer the JSON of 200; arrays that the handler has as readonly are declared with `.readonly()`.
 */
export function describeRoute<const Input extends InputSchemas, Answer extends z.ZodType = z.ZodUnknown>(
  parts: OperationParts,
  input: Input,
  answer?: Answer,
): Input & { response: Record<number, Answer> } {
  const { id, chapter, access, summary, description, problems = [], leaveOut = [], answers = {} } = parts;
  const codes: ProblemCode[] = [
    ...(input.querystring || input.body || input.params ? (['REQUEST_INVALID'] as const) : []),
    ...(input.body ? BODY_PROBLEMS : []),
    ...ACCESS_PROBLEMS[access],
    ...problems,
    'INTERNAL',
  ];
  const given = codes.filter((code) => !leaveOut.includes(code));
  const schema = {
    operationId: id,
    tags: [chapter],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(access === 'admin' ? { security: [{ adminToken: [] }] } : {}),
    ...input,
    response: {
      ...(answer ? { 200: declareAnswer({ description: summary, content: { 'application/json': answer } }) } : {}),
      ...Object.fromEntries(Object.entries(answers).map(([status, entry]) => [status, declareAnswer(entry)])),
      ...declareProblems(given),
    },
    ...(parts.isBodyOptional ? { [OPTIONAL_BODY_KEY]: true } : {}),
    [HEADERS_KEY]: listHeaders(access, answers, given),
  };
  // Whatever the status, the handler is typed by its success: problems are thrown.
  return schema as unknown as Input & { response: Record<number, Answer> };
}

/** The whole body as text, such as CSV. */
export const TEXT_BODY = z.string();
/** The whole body as bytes, such as Parquet. */
export const BINARY_BODY = z.string().meta({ format: 'binary' });

/** An exact decimal in an answer: a string, or a number where `numbers=float` asked for it. */
export const amount = z
  .union([z.string().regex(/^-?\d+(\.\d+)?$/), z.number()])
  .meta({ id: 'Amount', description: 'Every stored digit as a string; with numbers=float the nearest JSON number.' });
/** Path and query of the next page. */
export const nextLink = z
  .string()
  .nullable()
  .meta({ id: 'NextLink', description: 'Path and query of the next page; null on the last one.' });

function declareAnswer({ description, content }: AnswerSchema): object {
  if (!content) return z.undefined().describe(description);
  return {
    description,
    content: Object.fromEntries(Object.entries(content).map(([type, schema]) => [type, { schema }])),
  };
}

/** The names of the headers of each answer, by status. */
function listHeaders(
  access: Access,
  answers: Readonly<Record<number, AnswerSchema>>,
  codes: readonly ProblemCode[],
): Record<string, AnswerHeader[]> {
  const statuses = new Set([200, ...Object.keys(answers).map(Number), ...codes.map((code) => PROBLEMS[code].status)]);
  return Object.fromEntries(
    [...statuses].map((status): [string, AnswerHeader[]] => [
      String(status),
      [
        'x-request-id',
        ...(answers[status]?.headers ?? []),
        // Who is too early is told when to come back. /health has its own way to say that it is not well.
        ...(status === 429 || (status === 503 && !answers[status]) ? (['retry-after'] as const) : []),
        ...(status === 401 ? (['www-authenticate'] as const) : []),
        // What is refused before it is counted, and what fails in the middle of that, has none.
        ...(access === 'data' && status !== 503 ? RATE_HEADERS : []),
      ],
    ]),
  );
}

/** One answer for each status: a problem document of one of the types that are refused with it. */
function declareProblems(codes: readonly ProblemCode[]): Record<number, object> {
  const byStatus = Map.groupBy(new Set(codes), (code) => PROBLEMS[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, group]) => [
      status,
      {
        description: group.map((code) => PROBLEMS[code].title).join('; or: '),
        content: {
          'application/problem+json': {
            schema: z.intersection(problemSchema, z.looseObject({ type: z.enum(group.map(problemType)) })),
          },
        },
      },
    ]),
  );
}
