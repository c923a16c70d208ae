import { it } from 'node:test';

/** Tests of a suite that one side does not pass, and why. */
export interface Skip {
  readonly reason: string;
  readonly tests: readonly string[];
}

/** Declares a test, unless its side passes over it. */
export type DeclareTest = (name: string, body: () => Promise<void>) => void;

export function declareTests(skips: readonly Skip[] = []): DeclareTest {
  return (name, body) => {
    const skip = skips.find(({ tests }) => tests.includes(name))?.reason ?? false;
    it(name, { skip }, body);
  };
}
