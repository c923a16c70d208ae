import { z } from 'zod';
import { nextLink, type AnswerSchema } from '../protocol/route-schema.ts';
import { moment } from '../../market/moment-schema.ts';
import { EXPORT_FORMATS, FORMATS, joinNames } from './formats.ts';

const gap = z
  .object({
    metric: z.string().optional().describe('Of futures data: which feed.'),
    since: moment,
    until: moment,
    state: z
      .enum(['missing', 'refused', 'out_of_window', 'unknown'])
      .describe('`unknown`: nothing was ever asked there. What the exchange confirmed as empty is no gap.'),
  })
  .meta({ id: 'Gap', description: 'A range [since, until) that may have had rows which are not stored.' });
export type GapObject = z.output<typeof gap>;

/** The fields that tell how complete a page is. */
export const completeness = {
  complete: z.boolean().describe('Whether everything that the exchange has in the range of this page is here.'),
  gaps: z.array(gap).describe('Up to 101 gaps in the range of this page, oldest first; GET /v1/gaps lists all.'),
};

const EXPORT_TITLES = joinNames(
  EXPORT_FORMATS.map((format) => FORMATS[format].title),
  'or',
);
const COMPLETENESS_HEADERS = ['etag', 'x-complete', 'x-gaps'] as const;

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
      headers: ['link', 'content-disposition', ...('complete' in fields ? COMPLETENESS_HEADERS : [])],
    },
    // What does not know how complete it is has no entity tag.
    ...('complete' in fields
      ? {
          304: {
            description: 'The range has not changed since the answer with the entity tag of if-none-match',
            headers: COMPLETENESS_HEADERS,
          },
        }
      : {}),
  };
}
