import type { HistoryEntry } from './migrator/history.ts';
import type { SchemaMigrator, UpgradeOptions } from './migrator/schema-migrator.ts';
import type { SchemaStatus, UpgradePlan, UpgradeResult } from './migrator/schema-status.ts';

export interface SchemaMonitorDeps {
  readonly migrator: SchemaMigrator;
}

/** The migrator for callers at run time: it remembers where the schema stood when anyone last looked, for /health. */
export class SchemaMonitor {
  readonly #migrator: SchemaMigrator;
  #current: SchemaStatus | null = null;

  constructor({ migrator }: SchemaMonitorDeps) {
    this.#migrator = migrator;
  }

  /** As the migrator's. */
  preload(): Promise<void> {
    return this.#migrator.preload();
  }

  /** The last look; null before the first. */
  current(): SchemaStatus | null {
    return this.#current;
  }

  async status(): Promise<SchemaStatus> {
    this.#current = await this.#migrator.status();
    return this.#current;
  }

  history(limit: number): Promise<HistoryEntry[]> {
    return this.#migrator.history(limit);
  }

  plan(options: { to: string }): Promise<UpgradePlan> {
    return this.#migrator.plan(options);
  }

  async upgrade(options: UpgradeOptions): Promise<UpgradeResult> {
    try {
      const { result, status } = await this.#migrator.upgradeAndDescribe(options);
      this.#current = status;
      return result;
    } catch (error) {
      // A failing look must not hide what the upgrade said.
      await this.status().catch(() => undefined);
      throw error;
    }
  }
}
