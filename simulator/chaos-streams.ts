import { MINUTE_MS } from '../src/market/moments.ts';
import type { ChaosDice } from './chaos-dice.ts';
import { SETTLED_AFTER_MS, type ChaosKind } from './chaos-rates.ts';
import { reviseValues } from './chaos-rows.ts';
import type { Decimal } from '../src/market/decimal.ts';
import type { KlinePush } from './kline-push.ts';
import type { ConnectionFate, StreamFaults } from './stream-faults.ts';

export interface ChaosStreamsDeps {
  readonly dice: ChaosDice;
  readonly hits: (kind: ChaosKind, chance: number) => boolean;
  readonly count: (kind: ChaosKind) => void;
  readonly isStopped: () => boolean;
  /** Whether the market with this id is hidden now. */
  readonly isVanished: (id: string) => boolean;
}

/** The faults of the WebSocket side. */
export function createChaosStreams(deps: ChaosStreamsDeps): StreamFaults {
  let pushes = 0;
  return {
    fateOf: (n) => fateOf(deps, n),
    replace: (push) => {
      if (deps.isStopped()) return [{ push, delayMs: 0 }];
      if (deps.isVanished(push.s)) return [];
      return push.k.x ? replaceClosed(deps, push, deps.dice.sequence(`push:${pushes++}`)) : [{ push, delayMs: 0 }];
    },
  };
}

function fateOf({ dice, hits, count, isStopped }: ChaosStreamsDeps, n: number): ConnectionFate {
  if (isStopped()) return {};
  const next = dice.sequence(`connection:${n}`);
  const chances = [next(), next(), next()] as const;
  const afterMs = Math.round(MINUTE_MS * (0.5 + 14.5 * next()));
  const takes = (kind: ChaosKind, chance: number) => {
    const isHit = hits(kind, chance);
    if (isHit) count(kind);
    return isHit;
  };
  if (takes('streamRefused', chances[0])) return { isRefused: true };
  // Looked at again and again, so that the end of chaos reaches connections that are open already.
  const whileItLasts = () => (isStopped() ? undefined : afterMs);
  if (takes('streamDropped', chances[1]))
    return {
      get dropAfterMs() {
        return whileItLasts();
      },
    };
  if (takes('streamSilent', chances[2]))
    return {
      get silentAfterMs() {
        return whileItLasts();
      },
    };
  return {};
}

function replaceClosed(
  { dice, hits, count }: ChaosStreamsDeps,
  truth: KlinePush,
  next: () => number,
): { push: KlinePush; delayMs: number }[] {
  const key = `/api/v3/klines:${truth.s}:${truth.k.i}:${truth.k.t}`;
  // The same candles as over REST, as long as they are young there.
  const isYoung = truth.E < truth.k.T + 1 + SETTLED_AFTER_MS;
  const isRevised = isYoung && hits('revised', dice.roll(`revised:${key}`));
  if (isRevised) count('revised');
  const push = isRevised ? revise(truth) : truth;
  const takes = (kind: ChaosKind) => {
    const isHit = hits(kind, next());
    if (isHit) count(kind);
    return isHit;
  };
  if (takes('streamSkipped')) return [];
  if (takes('streamRepeated')) return [0, 1_500].map((delayMs) => ({ push, delayMs }));
  if (takes('streamDelayed')) return [{ push, delayMs: MINUTE_MS + Math.round(MINUTE_MS * next()) }];
  if (takes('streamRevised'))
    return [
      { push: revise(truth), delayMs: 0 },
      { push: truth, delayMs: 500 + Math.round(2_500 * next()) },
    ];
  return [{ push, delayMs: 0 }];
}

function revise(push: KlinePush): KlinePush {
  const { h: high, l: low, c, v } = push.k;
  const { close, volume } = reviseValues({ high, low, close: c, volume: v });
  return { ...push, k: { ...push.k, c: close as Decimal, v: volume as Decimal } };
}
