import { createHash, timingSafeEqual } from 'node:crypto';
import { sleep } from '../../retry.ts';
import { RequestError } from './errors.ts';
import { MINUTE_MS } from '../../market/moments.ts';

export interface AdminAuthDeps {
  /** null: every admin request is refused with 403. */
  readonly token: string | null;
  /** Epoch milliseconds. */
  readonly now?: () => number;
  /** Waits so many milliseconds. */
  readonly pause?: (ms: number) => Promise<void>;
}

/** After so many wrong tokens in one window an address is refused without a look at its token. */
const MAX_WRONG = 10;
const WINDOW_MS = MINUTE_MS;
/** The first wrong token costs this much waiting, each further one twice as much as the one before. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1000;
/** Addresses remembered; the oldest are forgotten first, so that a scan cannot fill the memory. */
const MAX_ADDRESSES = 1000;

interface WrongTokens {
  readonly since: number;
  readonly count: number;
}

/** Decides who may make admin requests: those with the bearer token of ADMIN_TOKEN. */
export class AdminAuth {
  readonly #tokenHash: Buffer | null;
  readonly #now: () => number;
  readonly #pause: (ms: number) => Promise<void>;
  readonly #wrongTokens = new Map<string, WrongTokens>();

  constructor({ token, now = Date.now, pause = (ms) => sleep(ms) }: AdminAuthDeps) {
    this.#tokenHash = token === null || token === '' ? null : hash(token);
    this.#now = now;
    this.#pause = pause;
  }

  /**
   * Resolves where the `authorization` header holds the token.
   *
   * @throws RequestError ADMIN_DISABLED (403), TOKEN_REQUIRED (401, with WWW-Authenticate) or ATTEMPTS_EXCEEDED (429,
   * with Retry-After, after ten wrong tokens from `address` within a minute).
   */
  async authorize(header: string | undefined, address: string): Promise<void> {
    if (this.#tokenHash === null)
      throw new RequestError('ADMIN_DISABLED', 'No admin token is configured: set ADMIN_TOKEN and start again.');
    const [, token] = /^Bearer +(\S+) *$/i.exec(header ?? '') ?? [];
    if (token === undefined)
      throw unauthorized(
        'Send the header "authorization: Bearer …" with the value of ADMIN_TOKEN.',
        'Bearer realm="candlekeep"',
      );
    this.#refuseIfExceeded(address);
    // Hashing both sides gives them one length, which timingSafeEqual needs, and hides the token's own.
    if (timingSafeEqual(hash(token), this.#tokenHash)) return;
    await this.#pause(this.#countWrongToken(address));
    throw unauthorized('The bearer token is wrong.', 'Bearer realm="candlekeep", error="invalid_token"');
  }

  #refuseIfExceeded(address: string): void {
    const wrong = this.#wrongTokens.get(address);
    if (wrong === undefined || wrong.count < MAX_WRONG) return;
    const leftMs = wrong.since + WINDOW_MS - this.#now();
    if (leftMs <= 0) return;
    const seconds = Math.ceil(leftMs / 1000);
    throw new RequestError('ATTEMPTS_EXCEEDED', `Too many wrong tokens came from ${address}: wait ${seconds} s.`, {
      headers: { 'retry-after': String(seconds) },
    });
  }

  /** Returns how long this attempt must wait for its answer. */
  #countWrongToken(address: string): number {
    const now = this.#now();
    const before = this.#wrongTokens.get(address);
    const isCurrent = before !== undefined && now < before.since + WINDOW_MS;
    const wrong = isCurrent ? { since: before.since, count: before.count + 1 } : { since: now, count: 1 };
    // Set anew, so that the map's order is the order of the last attempt.
    this.#wrongTokens.delete(address);
    this.#wrongTokens.set(address, wrong);
    if (this.#wrongTokens.size > MAX_ADDRESSES) {
      for (const oldest of this.#wrongTokens.keys()) {
        this.#wrongTokens.delete(oldest);
        break;
      }
    }
    return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (wrong.count - 1));
  }
}

function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function unauthorized(message: string, challenge: string): RequestError {
  return new RequestError('TOKEN_REQUIRED', message, { headers: { 'www-authenticate': challenge } });
}
