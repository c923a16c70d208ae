import { RequestError } from '../protocol/errors.ts';
import { DEFAULT_FORMAT, FORMAT_NAMES, FORMATS, joinNames, type Format } from './formats.ts';

const MEDIA_TYPES = FORMAT_NAMES.flatMap((format) => FORMATS[format].accepts.map((type) => ({ type, format })));
const USUAL_TYPES = FORMAT_NAMES.flatMap((format) => FORMATS[format].accepts.slice(0, 1));

/**
 * The format that the parameter names, else the one that the Accept header likes best, else `json`.
 *
 * @throws RequestError NOT_ACCEPTABLE (406) where the header names none of ours and no wildcard.
 */
export function chooseFormat(parameter: Format | undefined, accept: string | undefined): Format {
  if (parameter !== undefined) return parameter;
  if (accept === undefined || accept.trim() === '' || accept === '*/*') return DEFAULT_FORMAT;
  const ranges = accept.split(',').map((entry, place) => {
    const [type = '', ...parameters] = entry.split(';').map((part) => part.replaceAll(/\s/g, '').toLowerCase());
    const quality = parameters.find((part) => part.startsWith('q='));
    return { type, place, quality: quality === undefined ? 1 : Number(quality.slice(2)) || 0 };
  });
  const liked = MEDIA_TYPES.flatMap(({ type, format }) => {
    // The most specific range says how much a type is liked, and that may be not at all (RFC 9110, 12.5.1).
    const range = [type, type.replace(/\/.*/, '/*'), '*/*']
      .map((wanted) => ranges.find((each) => each.type === wanted))
      .find((each) => each !== undefined);
    return range && range.quality > 0 ? [{ ...range, format }] : [];
  }).sort((a, b) => b.quality - a.quality || a.place - b.place);
  if (liked[0]) return liked[0].format;
  throw new RequestError('NOT_ACCEPTABLE', `Accept ${joinNames(USUAL_TYPES, 'or')}, or name the format: format=csv.`);
}
