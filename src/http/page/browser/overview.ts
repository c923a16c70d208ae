import type { HealthDocument, SeriesObject } from './answers.ts';
import { byId, element, setContent, setText } from './element.ts';
import {
  BOOT_PHASES,
  judge,
  listFacts,
  listTiles,
  type Silence,
  type Tile,
  type Tone,
  type Verdict,
} from './judge-health.ts';

const MARKS: Readonly<Record<Tone, string>> = { good: '✓', warn: '!', bad: '✕', quiet: '…' };
const TITLE = 'candlekeep';

/** Shows how the service is: the sentence, what is behind it, and the figures. */
export function showOverview({
  health,
  silence,
  series,
}: {
  readonly health: HealthDocument | null;
  readonly silence: Silence | null;
  readonly series: readonly SeriesObject[];
}): void {
  const verdict = judge(health, silence, series.length === 0);
  showVerdict(verdict, silence === null ? health : null);
  document.title = verdict.tone === 'good' ? TITLE : `${MARKS[verdict.tone]} ${verdict.title} · ${TITLE}`;
  byId('tiles').hidden = health === null || health.phase !== 'running';
  setContent(byId('verdict-facts'), ...listFacts(health, silence).map((fact) => element('div', {}, fact)));
  if (health === null) return;
  setText(byId('version'), health.version);
  setContent(byId('tiles'), ...listTiles(health, series, silence).map(createTile));
}

function showVerdict({ tone, title, detail, reasons }: Verdict, health: HealthDocument | null): void {
  byId('verdict').dataset['tone'] = tone;
  setText(byId('verdict-mark'), MARKS[tone]);
  setText(byId('verdict-title'), title);
  setContent(
    byId('verdict-detail'),
    detail === '' ? null : element('div', {}, detail),
    reasons.length === 0 ? null : element('ul', {}, ...reasons.map((reason) => element('li', {}, reason))),
    health?.status === 'starting' ? createSteps(health.phase) : null,
  );
}

/** How far a boot has come. */
function createSteps(phase: HealthDocument['phase']): HTMLElement {
  const reached = BOOT_PHASES.findIndex((name) => name === phase);
  return element(
    'ol.steps',
    { 'aria-label': 'Boot' },
    ...BOOT_PHASES.map((name, index) =>
      element(
        'li',
        index === reached ? { 'aria-current': 'step' } : {},
        element('i.dot', { 'data-tone': index < reached ? 'good' : index === reached ? 'warn' : 'quiet' }),
        name,
      ),
    ),
  );
}

function createTile({ name, tone, figure, note }: Tile): HTMLElement {
  return element(
    'div.tile',
    { 'data-tone': tone },
    element('dt', {}, element('i.dot'), name),
    element('dd', {}, element('div.figure', { title: figure }, figure), element('div.note', { title: note }, note)),
  );
}
