import { AppError } from '../errors.ts';
import { retry, type RetryWaits } from '../retry.ts';
import { MINUTE_MS } from '../market/moments.ts';

/** The Bot API refused a message or could not be reached. The text never holds the token. */
class TelegramError extends AppError {
  readonly isRetryable: boolean;
  /** How long the API asked us to wait, or null. */
  readonly retryAfterMs: number | null;

  constructor(message: string, options: { isRetryable: boolean; retryAfterMs?: number | null }) {
    super('TELEGRAM_FAILED', message);
    this.isRetryable = options.isRetryable;
    this.retryAfterMs = options.retryAfterMs ?? null;
  }
}

export interface TelegramClientDeps {
  readonly botToken: string;
  readonly chatId: string;
  /** Origin of the Bot API. */
  readonly apiUrl: string;
  readonly timeoutMs?: number;
  readonly backoff?: RetryWaits;
  /** How long a message is tried for. */
  readonly patienceMs?: number;
}

const TIMEOUT_MS = 10_000;
const PATIENCE_MS = MINUTE_MS;
const BACKOFF: RetryWaits = { firstMs: 1_000, maxMs: 15_000 };
/** https://core.telegram.org/bots/api#sendmessage */
const MAX_TEXT_LENGTH = 4096;

/** Sends messages to one chat through Telegram's Bot API. */
export class TelegramClient {
  readonly #deps: TelegramClientDeps;

  constructor(deps: TelegramClientDeps) {
    this.#deps = deps;
  }

  /**
   * Sends plain text, cut to 4,096 characters; tries again for a minute where that may help.
   *
   * @throws TelegramError; the signal's reason.
   */
  async sendMessage(text: string, signal: AbortSignal): Promise<void> {
    const { backoff = BACKOFF, patienceMs = PATIENCE_MS } = this.#deps;
    const deadline = Date.now() + patienceMs;
    await retry(() => this.#post(text.slice(0, MAX_TEXT_LENGTH), signal), {
      ...backoff,
      signal,
      deadline,
      // Asking before the time that the API named would only lengthen it; the next report comes in an hour.
      isRetryable: (error) =>
        error instanceof TelegramError && error.isRetryable && (error.retryAfterMs ?? 0) <= backoff.maxMs,
    });
  }

  async #post(text: string, signal: AbortSignal): Promise<void> {
    const { botToken, chatId, apiUrl, timeoutMs = TIMEOUT_MS } = this.#deps;
    let response: Response;
    let body: unknown;
    try {
      response = await fetch(`${apiUrl}/bot${botToken}/sendMessage`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ chat_id: chatId, text, disable_web_page_preview: true }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      });
      body = await response.json().catch(() => null);
    } catch (error) {
      signal.throwIfAborted();
      // fetch puts the URL, and so the token, into some of its messages: only the kind of error is kept.
      const kind = error instanceof Error ? error.name : 'Error';
      const why =
        kind === 'TimeoutError'
          ? `did not answer within ${timeoutMs} ms`
          : `cannot be reached (${codeOf(error) ?? kind})`;
      throw new TelegramError(`${apiUrl} ${why}`, { isRetryable: true });
    }
    const answer = (typeof body === 'object' && body !== null ? body : {}) as BotAnswer;
    if (response.ok && answer.ok === true) return;
    const retryAfterS = answer.parameters?.retry_after;
    const said =
      typeof answer.description === 'string'
        ? answer.description.replaceAll(botToken, '***').slice(0, 300)
        : 'no reason';
    throw new TelegramError(`${apiUrl} refused the message with status ${response.status}: ${said}`, {
      isRetryable: response.ok || response.status === 429 || response.status >= 500,
      retryAfterMs: typeof retryAfterS === 'number' ? retryAfterS * 1000 : null,
    });
  }
}

interface BotAnswer {
  readonly ok?: unknown;
  readonly description?: unknown;
  readonly parameters?: { readonly retry_after?: unknown };
}

/** Node's code of a network error, such as ECONNREFUSED, which fetch hides in the cause. */
function codeOf(error: unknown): string | null {
  if (!(error instanceof Error)) return null;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return codeOf(error.cause);
}
