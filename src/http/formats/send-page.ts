import type { FastifyReply, FastifyRequest } from 'fastify';
import type { LedgerGap } from '../../db/repositories/ledger-gaps.ts';
import { createEntityTag, isFresh } from '../protocol/entity-tag.ts';
import type { GapObject } from './describe-formats.ts';
import { FORMATS, type PageFormat } from './formats.ts';
import { varyByAccept } from './vary-by-accept.ts';
import { toIso } from '../../market/moments.ts';
import type { TimeRange } from '../../market/time-range.ts';

export interface RowPage {
  readonly format: PageFormat;
  /** Besides `complete`, `answered`, `gaps`, `next` and `data`; not of array rows. */
  readonly fields: object;
  /** null: it is not known how complete the rows are. */
  readonly gaps: readonly GapObject[] | null;
  /** What they speak of. */
  readonly answered?: TimeRange;
  readonly next: string | null;
  /** The rows as JSON, separated by commas. */
  readonly text: string;
  /** Whether every row of the range has ended, so that it changes only where history is rewritten. */
  readonly isClosed: boolean;
}

/**
 * Answers with a page: an object with `complete`, `answered`, `gaps`, `next` and `data`, or of array rows the bare array, with
 * these in the headers. A closed range without gaps has an entity tag, made of the answer itself.
 */
export function sendPage(request: FastifyRequest, reply: FastifyReply, page: RowPage): FastifyReply {
  const { format, fields, gaps, answered, next, text, isClosed } = page;
  const complete = gaps && answered ? { complete: gaps.length === 0, answered: toRangeObject(answered), gaps } : {};
  varyByAccept(reply.type(FORMATS[format].contentType));
  if (gaps && answered) setCompleteness(reply, gaps.length, answered);
  if (next !== null) setNext(reply, next);
  const body =
    FORMATS[format].shape === 'array'
      ? `[${text}]`
      : `${JSON.stringify({ ...fields, ...complete, next }).slice(0, -1)},"data":[${text}]}`;
  if (isClosed && gaps?.length === 0 && isFresh(request, reply, createEntityTag(body)))
    return reply.code(304).removeHeader('content-type').send();
  return reply.send(body);
}

/** Tells in headers whether anything may be missing of what was answered, and in how many ranges (101: in
 * more than 100). */
export function setCompleteness(reply: FastifyReply, gaps: number, answered: TimeRange): void {
  const { since, until } = toRangeObject(answered);
  void reply.headers({ 'x-complete': String(gaps === 0), 'x-gaps': String(gaps), 'x-answered': `${since}/${until}` });
}

/** Links the rows that follow. */
export function setNext(reply: FastifyReply, next: string): void {
  void reply.header('link', `<${next}>; rel="next"`);
}

function toRangeObject({ since, until }: TimeRange) {
  return { since: toIso(since), until: toIso(until) };
}

export function toGapObject({ since, until, state, reason }: LedgerGap): GapObject {
  return { since: toIso(since), until: toIso(until), state, ...(reason === undefined ? {} : { reason }) };
}
