/**
 * Noise that is a pure function of a seed and a position: the same bits on every machine, at any position, in any
 * order. Hashes are 32-bit integer arithmetic; nothing here keeps state.
 */

/** A 32-bit seed from any text (FNV-1a, then mixed). */
export function seedOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return mixHash(hash, text.length);
}

/** 32 well-mixed bits, as an integer from 0 to 2^32 - 1, for position `n` (an integer) of the stream `seed`. */
export function mixHash(seed: number, n: number): number {
  let x = seed ^ Math.imul(n, 0x9e3779b1);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35) ^ Math.imul(seed, 0x27d4eb2f);
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  return (x ^ (x >>> 15)) >>> 0;
}

/** A number from 0 (inclusive) to 1 (exclusive) for position `n` (an integer) of the stream `seed`. */
function unitHash(seed: number, n: number): number {
  return mixHash(seed, n) / 0x1_0000_0000;
}

/** Smooth noise from -1 to 1: a hashed value at every integer, eased in between. */
function valueNoise(seed: number, x: number): number {
  const cell = Math.floor(x);
  const part = x - cell;
  const from = unitHash(seed, cell) * 2 - 1;
  const to = unitHash(seed, cell + 1) * 2 - 1;
  return from + (to - from) * part * part * (3 - 2 * part);
}

/** One frequency of a sum of noises. */
export interface Octave {
  readonly seed: number;
  readonly period: number;
  readonly amplitude: number;
  /** Moves the grid, so that octaves do not all turn at the same moments. */
  readonly phase: number;
}

/** An octave for each period, each with its own stream; `amplitudeOf` gives its weight. */
export function createOctaves(
  key: string,
  periods: readonly number[],
  amplitudeOf: (period: number) => number,
): readonly Octave[] {
  return periods.map((period) => {
    const seed = seedOf(`${key}:${period}`);
    return { seed, period, amplitude: amplitudeOf(period), phase: unitHash(seed, -1) };
  });
}

/** The sum of the octaves at `x`, which has the unit of their periods. */
export function sumOctaves(octaves: readonly Octave[], x: number): number {
  let sum = 0;
  for (const octave of octaves) sum += octave.amplitude * valueNoise(octave.seed, x / octave.period + octave.phase);
  return sum;
}
