import type { IngestProgress } from '../ingest/ingest-state.ts';
import type { Logger } from '../logger.ts';
import type { Topic } from '../topic.ts';

export interface RefreshAfterBackfillDeps {
  readonly progress: Topic<IngestProgress>;
  /** Runs the refresh of the view out of its turn. */
  readonly refresh: () => Promise<void>;
  readonly logger: Logger;
}

/**
 * Has the view refreshed when everything is complete for the first time: the schedule's next turn may be minutes away,
 * and until then the view is without what was just fetched.
 */
export function refreshAfterBackfill({ progress, refresh, logger }: RefreshAfterBackfillDeps): void {
  let isDone = false;
  progress.subscribe(({ series, complete }) => {
    if (complete < series || isDone) return;
    isDone = true;
    refresh().catch((error: unknown) => logger.debug({ err: error }, 'no refresh after backfill'));
  });
}
