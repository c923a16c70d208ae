import type { RequestBlock } from '../../exchanges/exchange.ts';
import type { BlockStore } from './shared-blocks.ts';

/** Whom an exchange sees: its address, or the proxy that stands for it. */
interface BlockPlace {
  readonly exchange: string;
  readonly origin: string;
  readonly address: string;
}

export interface AddressBlocksDeps {
  /** exchange_blocks; the repository fits. */
  readonly repository: {
    find(place: BlockPlace): Promise<RequestBlock | null>;
    note(place: BlockPlace, block: RequestBlock, by: string): Promise<void>;
  };
  /** The name that processes on one address share. */
  readonly address: string;
  /** Where requests to an exchange go instead of to itself. */
  readonly origins: ReadonlyMap<string, string>;
  readonly replicaId: string;
}

/** What the exchanges told this address to wait for, shared by all processes that send from it. */
export class AddressBlocks implements BlockStore {
  readonly #deps: AddressBlocksDeps;

  constructor(deps: AddressBlocksDeps) {
    this.#deps = deps;
  }

  find(exchange: string): Promise<RequestBlock | null> {
    return this.#deps.repository.find(this.#placeOf(exchange));
  }

  note(exchange: string, block: RequestBlock): Promise<void> {
    return this.#deps.repository.note(this.#placeOf(exchange), block, this.#deps.replicaId);
  }

  #placeOf(exchange: string): BlockPlace {
    const { address, origins } = this.#deps;
    return { exchange, origin: origins.get(exchange) ?? '', address };
  }
}
