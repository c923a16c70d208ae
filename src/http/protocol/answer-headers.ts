/** The headers that answers tell something in, as the OpenAPI document describes them. */
export const ANSWER_HEADERS = {
  'x-request-id': {
    type: 'string',
    description: 'The id that the request was sent with, or one that was made for it; the log names it.',
  },
  etag: {
    type: 'string',
    description:
      'Of a closed range without gaps: send it as if-none-match to be answered 304 while nothing has changed.',
  },
  link: { type: 'string', description: '`</v1/…>; rel="next"`: the following page; not there on the last one.' },
  'x-complete': {
    type: 'string',
    enum: ['true', 'false'],
    description: 'Whether each slot of the range that this answer speaks of is stored or known to be empty.',
  },
  'x-gaps': { type: 'integer', description: 'How many gaps it has; 101: more than 100.' },
  'x-answered': { type: 'string', description: 'That range, as `since/until` (ISO 8601): see `answered` of the JSON.' },
  'content-disposition': { type: 'string', description: 'A name for the file, of CSV, NDJSON and Parquet.' },
  'retry-after': { type: 'integer', description: 'Seconds to wait before asking again.' },
  'www-authenticate': { type: 'string', description: 'The challenge of RFC 6750.' },
  'ratelimit-limit': { type: 'integer', description: 'Requests of one client in a minute.' },
  'ratelimit-remaining': { type: 'integer', description: 'How many of them are left.' },
  'ratelimit-reset': { type: 'integer', description: 'Seconds until there are as many again.' },
} as const;

export type AnswerHeader = keyof typeof ANSWER_HEADERS;

/** On every answer that tells how complete it is. */
export const COMPLETENESS_HEADERS = ['x-complete', 'x-gaps', 'x-answered'] as const;

/** On every answer of the routes that are counted; not there where RATE_LIMIT_PER_MINUTE is 0. */
export const RATE_HEADERS = ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'] as const;

/** Where a route's schema keeps the names of its headers by status, for openapi.ts. */
export const HEADERS_KEY = 'x-answer-headers';

/** Where it says that a request may come without its body. */
export const OPTIONAL_BODY_KEY = 'x-optional-body';
