import type {
  IChartApi,
  IPanePrimitive,
  IPanePrimitivePaneView,
  IPrimitivePaneRenderer,
  PaneAttachedParameter,
  Time,
  UTCTimestamp,
} from 'lightweight-charts';
import { formatCount } from './figures.ts';
import type { Hole, HoleState } from './timeline.ts';

type Target = Parameters<IPrimitivePaneRenderer['draw']>[0];

/** Each state of a hole in a word or two. */
export const HOLE_WORDS: Readonly<Record<HoleState, string>> = {
  missing: 'missing',
  confirmed_empty: 'no trades',
  refused: 'refused',
  out_of_window: 'lost',
  unknown: 'not known yet',
};

export interface HoleColours {
  readonly missing: string;
  readonly empty: string;
  readonly lost: string;
  readonly text: string;
}

/** Draws holes behind the candles: a hatched band over the places that have none, with its size where there is room. */
export class HoleShading implements IPanePrimitive {
  #chart: IChartApi | null = null;
  #holes: readonly Hole[] = [];
  #colours: HoleColours = { missing: '', empty: '', lost: '', text: '' };
  #requestUpdate: () => void = () => undefined;
  readonly #views: readonly IPanePrimitivePaneView[] = [
    { zOrder: () => 'bottom', renderer: () => ({ draw: (target: Target) => this.#draw(target) }) },
  ];

  attached({ chart, requestUpdate }: PaneAttachedParameter): void {
    this.#chart = chart;
    this.#requestUpdate = requestUpdate;
  }

  detached(): void {
    this.#chart = null;
  }

  paneViews(): readonly IPanePrimitivePaneView[] {
    return this.#views;
  }

  show(holes: readonly Hole[], colours: HoleColours): void {
    this.#holes = holes;
    this.#colours = colours;
    this.#requestUpdate();
  }

  #draw(target: Target): void {
    const scale = this.#chart?.timeScale();
    if (!scale) return;
    const half = scale.options().barSpacing / 2;
    target.useMediaCoordinateSpace(({ context, mediaSize }) => {
      for (const hole of this.#holes) {
        const from = scale.timeToCoordinate(toChartTime(hole.firstShown));
        const to = scale.timeToCoordinate(toChartTime(hole.lastShown));
        if (from === null || to === null || to + half < 0 || from - half > mediaSize.width) continue;
        // Never so narrow that nobody sees it.
        const width = Math.max(3, to - from + 2 * half);
        this.#drawBand(context, { left: from - half, width, height: mediaSize.height, hole });
      }
    });
  }

  #drawBand(
    context: CanvasRenderingContext2D,
    { left, width, height, hole }: { left: number; width: number; height: number; hole: Hole },
  ): void {
    const colour = this.#colourOf(hole.state);
    context.save();
    context.beginPath();
    context.rect(left, 0, width, height);
    context.clip();
    context.fillStyle = colour;
    context.fillRect(left, 0, width, height);
    if (hole.state !== 'confirmed_empty') {
      context.strokeStyle = colour;
      context.lineWidth = 2;
      context.beginPath();
      for (let x = left - height; x < left + width; x += 9) {
        context.moveTo(x, height);
        context.lineTo(x + height, 0);
      }
      context.stroke();
    }
    this.#drawLabel(context, { left, width, height, hole });
    context.restore();
  }

  #drawLabel(
    context: CanvasRenderingContext2D,
    { left, width, height, hole }: { left: number; width: number; height: number; hole: Hole },
  ): void {
    const text = `${formatCount(hole.slots)} ${HOLE_WORDS[hole.state]}`;
    context.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    context.fillStyle = this.#colours.text;
    context.textAlign = 'center';
    context.textBaseline = 'middle';
    const length = context.measureText(text).width;
    context.translate(left + width / 2, height * 0.4);
    if (length + 12 > width) {
      if (width < 15) return;
      context.rotate(-Math.PI / 2);
    }
    context.fillText(text, 0, 0);
  }

  #colourOf(state: HoleState): string {
    if (state === 'confirmed_empty') return this.#colours.empty;
    return state === 'refused' || state === 'out_of_window' ? this.#colours.lost : this.#colours.missing;
  }
}

/** Epoch milliseconds as the chart counts them. */
export function toChartTime(ms: number): UTCTimestamp & Time {
  return Math.floor(ms / 1000) as UTCTimestamp;
}
