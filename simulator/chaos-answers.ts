import type { ChaosDice } from './chaos-dice.ts';
import { SETTLED_AFTER_MS, type ChaosKind } from './chaos-rates.ts';
import { reviseRow, spoilRow, type RowShape, type WireRow } from './chaos-rows.ts';

export interface ChaosAnswersDeps {
  readonly dice: ChaosDice;
  /** Whether a chance from 0 to 1 hits the kind, by its rate. */
  readonly hits: (kind: ChaosKind, chance: number) => boolean;
  readonly count: (kind: ChaosKind) => void;
}

/** Breaks the rows of answers, so that asking again always leads to the truth. */
export class ChaosAnswers {
  readonly #deps: ChaosAnswersDeps;
  /** Rows that one answer withheld or spoilt; no second answer does, or nobody could tell them from empty ones. */
  readonly #harmed = new Set<string>();

  constructor(deps: ChaosAnswersDeps) {
    this.#deps = deps;
  }

  /** The rows as they are sent. `next` gives this answer's chances. */
  rewrite(rows: readonly WireRow[], shape: RowShape, nowMs: number, next: () => number): WireRow[] {
    const { hits, count } = this.#deps;
    const settled = rows.flatMap((row) => this.#settle(row, shape, nowMs));
    let sent: WireRow[] = settled;
    const isHit = (kind: ChaosKind) => hits(kind, next());
    // Every chance is taken at every answer, so that one rate does not shift what the others do.
    const [spot, howMany, order] = [next(), next(), next()];
    // An edge is left alone: that funding begins or ends there is not to be told from its being left out.
    const at = 1 + Math.floor(spot * Math.max(0, settled.length - 2));
    const row = settled[at];
    const isInside = row !== undefined && at < settled.length - 1 && shape.endOf(row) <= nowMs;
    for (const kind of ['missing', 'misaligned', 'impossible', 'disputed'] as const) {
      if (!isHit(kind) || !isInside) continue;
      const until = kind === 'missing' ? Math.min(settled.length - 1, at + 1 + Math.floor(howMany * 3)) : at + 1;
      sent = settled.flatMap((other, index) => {
        if (index < at || index >= until || !this.#mayHarm(other, shape)) return [other];
        count(kind);
        if (kind === 'missing') return [];
        if (kind === 'misaligned') return [shape.move(other, 1_000 + Math.floor(howMany * 58_000))];
        return kind === 'impossible' ? [spoilRow(other)] : [other, reviseRow(other)];
      });
      break;
    }
    if (isHit('duplicated') && isInside) {
      count('duplicated');
      sent = [...sent, row];
    }
    if (isHit('reordered') && sent.length > 1) {
      count('reordered');
      const middle = 1 + Math.floor(order * (sent.length - 1));
      sent = order < 0.5 ? sent.toReversed() : [...sent.slice(middle), ...sent.slice(0, middle)];
    }
    return sent;
  }

  /** What a row is while it is young: withheld, another one, or itself. */
  #settle(row: WireRow, shape: RowShape, nowMs: number): WireRow[] {
    const { dice, hits, count } = this.#deps;
    const endMs = shape.endOf(row);
    // Funding must not be late: nobody can know when it is due.
    if (endMs > nowMs || nowMs >= endMs + SETTLED_AFTER_MS || shape.series.startsWith('/fapi/v1/fundingRate'))
      return [row];
    const key = `${shape.series}:${shape.timeOf(row)}`;
    if (hits('late', dice.roll(`late:${key}`))) {
      count('late');
      return [];
    }
    if (!shape.isCandle || !hits('revised', dice.roll(`revised:${key}`))) return [row];
    count('revised');
    return [reviseRow(row)];
  }

  #mayHarm(row: WireRow, shape: RowShape): boolean {
    const key = `${shape.series}:${shape.timeOf(row)}`;
    if (this.#harmed.has(key)) return false;
    this.#harmed.add(key);
    return true;
  }
}
