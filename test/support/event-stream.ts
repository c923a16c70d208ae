import { get, type ClientRequest, type IncomingMessage } from 'node:http';
import { waitUntil } from './patience.ts';

/** One event as a browser would dispatch it. */
export interface ReceivedEvent {
  readonly type: string;
  readonly data: unknown;
}

/** A client of a stream of server-sent events, as the HTML standard describes it, that may stop reading. */
export class EventStream implements AsyncDisposable {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly events: ReceivedEvent[] = [];
  /** The text of the answer so far. */
  text = '';
  lastEventId = '';
  hasEnded = false;
  readonly #request: ClientRequest;
  readonly #response: IncomingMessage;
  #rest = '';

  private constructor(request: ClientRequest, response: IncomingMessage) {
    this.#request = request;
    this.#response = response;
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => this.#read(chunk));
    response.on('end', () => (this.hasEnded = true));
    response.on('error', () => (this.hasEnded = true));
  }

  /** Resolves with the head of the answer. */
  static open(url: string, headers: Record<string, string> = {}): Promise<EventStream> {
    return new Promise((resolve, reject) => {
      const request = get(url, { headers, agent: false }, (response) => resolve(new EventStream(request, response)));
      request.once('error', reject);
    });
  }

  /** Resolves with the events of a type once there are so many; rejects where the answer ends before. */
  async waitFor(type: string, count = 1): Promise<unknown[]> {
    const list = () => this.events.filter((event) => event.type === type).map(({ data }) => data);
    const describe = () => `${list().length} of ${count} ${type} events came: ${this.text.slice(-2000)}`;
    return await waitUntil(() => {
      const { hasEnded } = this;
      const found = list();
      if (found.length >= count) return found;
      if (hasEnded) throw new Error(`the answer ended; ${describe()}`);
      return null;
    }, describe);
  }

  /** Resolves once the answer has ended. */
  async waitForEnd(): Promise<void> {
    await waitUntil(() => this.hasEnded, 'the stream goes on');
  }

  pause(): void {
    this.#response.pause();
  }

  resume(): void {
    this.#response.resume();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#request.destroy();
    await Promise.resolve();
  }

  #read(chunk: string): void {
    this.text += chunk;
    const blocks = (this.#rest + chunk).split('\n\n');
    this.#rest = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = block.split('\n').map((line) => /^([^:]*): ?(.*)$/s.exec(line) ?? []);
      const valueOf = (name: string) => fields.find(([, field]) => field === name)?.[2];
      this.lastEventId = valueOf('id') ?? this.lastEventId;
      const data = valueOf('data');
      if (data !== undefined) this.events.push({ type: valueOf('event') ?? 'message', data: JSON.parse(data) });
    }
  }
}
