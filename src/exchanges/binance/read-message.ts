import { z } from 'zod';

/** What a closed candle's push says, not yet judged. */
export interface ClosedPush {
  readonly kind: 'closed';
  /** `btcusdt@kline_1m`. */
  readonly stream: string;
  /** When Binance sent it, by its clock (epoch ms). */
  readonly sentAt: number;
  readonly marketId: string;
  readonly interval: string;
  readonly timestamp: number;
  /** The candle's last millisecond. */
  readonly closingTime: number;
  readonly open: string;
  readonly high: string;
  readonly low: string;
  readonly close: string;
  readonly volume: string;
  /** The message as it came. */
  readonly raw: string;
}

/** A push of a stream that has not the shape of a candle's. */
export interface MisshapenPush {
  readonly kind: 'misshapen';
  readonly stream: string;
  readonly reason: string;
  /** The opening time that it claims, where it has one. */
  readonly timestamp: number | null;
  readonly raw: string;
}

export type StreamMessage =
  /** A candle in progress: by far the most. */
  | { readonly kind: 'open' }
  | ClosedPush
  | MisshapenPush
  /** To the request with this id; `error` null: done. */
  | { readonly kind: 'answer'; readonly id: number; readonly error: string | null }
  /** The server is about to end the connection. */
  | { readonly kind: 'shutdown' }
  | { readonly kind: 'unreadable'; readonly reason: string };

const OPEN: StreamMessage = { kind: 'open' };
const IN_PROGRESS = Buffer.from('"x":false');
const CLOSED = Buffer.from('"x":true');

const time = z.int().nonnegative();
const pushSchema = z.object({
  stream: z.string(),
  data: z.object({
    e: z.literal('kline'),
    E: time,
    k: z.object({
      t: time,
      T: time,
      s: z.string(),
      i: z.string(),
      o: z.string(),
      h: z.string(),
      l: z.string(),
      c: z.string(),
      v: z.string(),
      x: z.boolean(),
    }),
  }),
});
const wrapSchema = z.object({ stream: z.string(), data: z.unknown() });
const claimSchema = z.object({ k: z.object({ t: time }) });
const shutdownSchema = z.object({ e: z.literal('serverShutdown') });
const answerSchema = z.object({ id: z.int(), result: z.null() });
const fault = z.object({ code: z.number().optional(), msg: z.string() });
const refusalSchema = z.union([
  z.object({ id: z.int(), error: fault }).transform(({ id, error }) => ({ id, msg: error.msg })),
  fault.extend({ id: z.int() }).transform(({ id, msg }) => ({ id, msg })),
]);

/**
 * Reads a message of Binance's combined streams. Never throws.
 *
 * Hundreds of series push every two seconds and nearly all of it is candles in progress, which nobody wants: these are
 * told by their bytes alone. A quote inside a JSON text is escaped, so the bytes `"x":false` are that field and nothing
 * else, and a message that also has `"x":true` is read in full.
 *
 * @see https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams#klinecandlestick-streams-for-utc
 */
export function readMessage(bytes: Buffer): StreamMessage {
  if (bytes.includes(IN_PROGRESS) && !bytes.includes(CLOSED)) return OPEN;
  const raw = bytes.toString();
  let message: unknown;
  try {
    message = JSON.parse(raw);
  } catch {
    return { kind: 'unreadable', reason: 'a message is not JSON' };
  }
  const push = pushSchema.safeParse(message);
  if (push.success) return readPush(push.data, raw);
  const wrap = wrapSchema.safeParse(message);
  if (shutdownSchema.safeParse(wrap.success ? wrap.data.data : message).success) return { kind: 'shutdown' };
  if (wrap.success) {
    const claim = claimSchema.safeParse(wrap.data.data);
    const reason = describe(push.error);
    const timestamp = claim.success ? claim.data.k.t : null;
    return { kind: 'misshapen', stream: wrap.data.stream, reason, timestamp, raw };
  }
  return readAnswer(message);
}

function readPush({ stream, data: { E: sentAt, k } }: z.infer<typeof pushSchema>, raw: string): StreamMessage {
  if (!k.x) return OPEN;
  const { t: timestamp, T: closingTime, s: marketId, i: interval, o: open, h: high, l: low, c: close, v: volume } = k;
  const values = { open, high, low, close, volume };
  return { kind: 'closed', stream, sentAt, marketId, interval, timestamp, closingTime, ...values, raw };
}

function readAnswer(message: unknown): StreamMessage {
  const done = answerSchema.safeParse(message);
  if (done.success) return { kind: 'answer', id: done.data.id, error: null };
  const refusal = refusalSchema.safeParse(message);
  if (refusal.success) return { kind: 'answer', id: refusal.data.id, error: refusal.data.msg };
  return { kind: 'unreadable', reason: 'a message is neither a push nor an answer' };
}

/** `data.k.o: …` of the first fault. */
function describe(error: z.ZodError): string {
  const [issue] = error.issues;
  return issue === undefined ? 'the push has another shape' : `${issue.path.join('.')}: ${issue.message}`;
}
