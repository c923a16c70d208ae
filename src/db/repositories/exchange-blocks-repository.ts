import { sql, type Kysely } from 'kysely';
import { DAY_MS } from '../../market/moments.ts';
import type { Database } from '../schema.ts';

/** Whom an exchange has told to wait: where the requests go, and the address that they come from. */
export interface BlockedPlace {
  readonly exchange: string;
  /** Where EXCHANGE_URLS sends the requests; empty: to the exchange itself. */
  readonly origin: string;
  /** A name for the address that the exchange sees. */
  readonly address: string;
}

export interface StoredBlock {
  readonly reason: 'throttled' | 'banned' | 'refused';
  /** Epoch milliseconds by the clock of who was told. */
  readonly until: number;
  readonly message: string;
}

/** Blocks that ended so long ago are forgotten. */
const KEPT_MS = 30 * DAY_MS;

/** exchange_blocks: until when an exchange wants no request from an address, as the last who was told so noted it. */
export class ExchangeBlocksRepository {
  readonly #kysely: Kysely<Database>;

  constructor({ kysely }: { readonly kysely: Kysely<Database> }) {
    this.#kysely = kysely;
  }

  /** The block of a place, whether or not it has ended; null where there never was one. */
  async find({ exchange, origin, address }: BlockedPlace): Promise<StoredBlock | null> {
    const { rows } = await sql<{ reason: StoredBlock['reason']; blocked_until: Date; message: string }>`
      select reason, blocked_until, message from exchange_blocks
      where exchange = ${exchange} and origin = ${origin} and address = ${address}`.execute(this.#kysely);
    const [row] = rows;
    return row ? { reason: row.reason, until: row.blocked_until.getTime(), message: row.message } : null;
  }

  /** Notes a block; one that ends sooner than the stored one changes nothing. */
  async note(place: BlockedPlace, block: StoredBlock, replicaId: string): Promise<void> {
    const { exchange, origin, address } = place;
    const until = new Date(block.until);
    await sql`
      insert into exchange_blocks as stored (exchange, origin, address, reason, blocked_until, message, replica_id)
      values (${exchange}, ${origin}, ${address}, ${block.reason}, ${until}, ${toText(block.message)}, ${replicaId})
      on conflict (exchange, origin, address) do update set
        reason = excluded.reason, blocked_until = excluded.blocked_until, message = excluded.message,
        replica_id = excluded.replica_id, noted_at = now()
      where excluded.blocked_until >= stored.blocked_until`.execute(this.#kysely);
    await sql`delete from exchange_blocks where blocked_until < ${new Date(block.until - KEPT_MS)}`.execute(
      this.#kysely,
    );
  }
}

/** PostgreSQL's text holds no NUL, and an answer may. */
function toText(message: string): string {
  return message.replaceAll('\0', '').slice(0, 2_000);
}
