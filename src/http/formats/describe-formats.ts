import { z } from 'zod';
import { COMPLETENESS_HEADERS } from '../protocol/answer-headers.ts';
import { nextLink, type AnswerSchema } from '../protocol/route-schema.ts';
import { moment } from '../../market/moment-schema.ts';
import { EXPORT_FORMATS, FORMATS, joinNames } from './formats.ts';

const gap = z
  .object({
    metric: z.string().optional().describe('Of futures data: which feed.'),
    since: moment,
    until: moment,
    state: z
      .enum(['missing', 'refused', 'out_of_window', 'unknown', 'absent'])
      .describe(
        '`unknown`: nothing was ever asked there; `absent`: it was stored, and the database does not give it, as a policy ' +
          'hides it or somebody removed it. What the exchange confirmed as empty is no gap.',
      ),
    reason: z.string().optional().describe('Why, in words; not there where nothing is known but the state.'),
  })
  .meta({ id: 'Gap', description: 'A range [since, until) that may have had rows which are not stored.' });
export type GapObject = z.output<typeof gap>;

const answered = z.object({ since: moment, until: moment });

/** The fields that tell how complete a page is. */
export const completeness = {
  complete: z
    .boolean()
    .describe('Whether each slot of `answered` is stored or known to be empty, and every stored one came.'),
  answered: answered.describe(
    'What `complete` speaks of. Without `since` a full page speaks from its first row, another from where the series is ' +
      'wanted from (its first row, where nobody collects it); it ends with the page, `until`, or the newest slot that has ended.',
  ),
  gaps: z.array(gap).describe('Up to 101 gaps in `answered`, oldest first; GET /v1/gaps lists all that is missing.'),
};

const EXPORT_TITLES = joinNames(
  EXPORT_FORMATS.map((format) => FORMATS[format].title),
  'or',
);
const TOLD_HEADERS = ['etag', ...COMPLETENESS_HEADERS] as const;

/** The answers of a route for rows in all formats; `row` is one of `json`, `array` one of `arrays`. */
export function describeFormats(
  summary: string,
  fields: Readonly<Record<string, z.ZodType>>,
  { row, array }: { readonly row: z.ZodType; readonly array: z.ZodType },
): Readonly<Record<number, AnswerSchema>> {
  const page = z.object({ ...fields, next: nextLink, data: z.array(row) });
  return {
    200: {
      description: `${summary}. A JSON object, with \`format=arrays\` a bare array (next in the link header, x-complete and x-gaps tell what is missing), or the whole range as ${EXPORT_TITLES}.`,
      content: {
        'application/json': z.union([page, z.array(array)]),
        ...Object.fromEntries(EXPORT_FORMATS.map((format) => [FORMATS[format].accepts[0], FORMATS[format].body])),
      },
      headers: ['link', 'content-disposition', ...('complete' in fields ? TOLD_HEADERS : [])],
    },
    // What does not know how complete it is has no entity tag.
    ...('complete' in fields
      ? {
          304: {
            description: 'The range has not changed since the answer with the entity tag of if-none-match',
            headers: TOLD_HEADERS,
          },
        }
      : {}),
  };
}
