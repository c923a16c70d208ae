import { z } from 'zod';

/** A schema of text that ends in `parse`: what it throws becomes the fault of the field. */
export function parsed<T>(text: z.ZodString, parse: (value: string) => T) {
  return text.transform((value, context) => {
    try {
      return parse(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
      return z.NEVER;
    }
  });
}
