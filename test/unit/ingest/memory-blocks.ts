import type { RequestBlock } from '../../../src/exchanges/exchange.ts';
import type { BlockStore } from '../../../src/ingest/exchange/shared-blocks.ts';

/** What several processes on one address share, in memory. */
export class MemoryBlocks implements BlockStore {
  /** By exchange. */
  readonly stored = new Map<string, RequestBlock>();
  /** What each call is refused with while it is set. */
  failure: Error | null = null;
  finds = 0;
  notes = 0;
  /** When it was looked up last, by the clock of the setting. */
  foundAt = -Infinity;
  now = (): number => 0;

  find(exchange: string): Promise<RequestBlock | null> {
    this.finds++;
    this.foundAt = this.now();
    return this.failure ? Promise.reject(this.failure) : Promise.resolve(this.stored.get(exchange) ?? null);
  }

  note(exchange: string, block: RequestBlock): Promise<void> {
    this.notes++;
    if (block.until >= (this.stored.get(exchange)?.until ?? -Infinity)) this.stored.set(exchange, block);
    return Promise.resolve();
  }
}
