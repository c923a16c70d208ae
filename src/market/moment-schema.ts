import { z } from 'zod';

/** A moment in an answer: ISO 8601 in UTC with milliseconds. */
export const moment = z
  .string()
  .regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
  .meta({ id: 'Moment', format: 'date-time', description: 'ISO 8601 in UTC, such as 2026-01-31T08:00:00.000Z.' });
