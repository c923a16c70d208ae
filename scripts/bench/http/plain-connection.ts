import { connect, type Socket } from 'node:net';
import { once } from 'node:events';

const HEAD_END = Buffer.from('\r\n\r\n');
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

interface Waiting {
  readonly resolve: (response: Buffer) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A kept-alive HTTP/1.1 connection that sends one GET after the other and does no more than find the end of each answer:
 * on a machine with few cores every cycle of the client is taken from what is measured.
 */
export class PlainConnection {
  readonly #socket: Socket;
  readonly #host: string;
  #parts: Buffer[] = [];
  #received = 0;
  /** Bytes of the whole answer; null before its head is there, Infinity where it comes in chunks. */
  #expected: number | null = null;
  #waiting: Waiting | null = null;

  private constructor(socket: Socket, host: string) {
    this.#socket = socket;
    this.#host = host;
    socket.on('data', (part) => this.#take(part));
    socket.on('error', (error) => this.#fail(error));
    socket.on('close', () => this.#fail(new Error('the server closed the connection')));
  }

  static async open(url: string): Promise<PlainConnection> {
    const { hostname, port, host } = new URL(url);
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    await once(socket, 'connect');
    return new PlainConnection(socket, host);
  }

  /**
   * Head and body of the answer.
   *
   * @throws Error where the status is not 200, with the answer's first bytes.
   */
  async get(path: string): Promise<Buffer> {
    const response = await new Promise<Buffer>((resolve, reject) => {
      this.#waiting = { resolve, reject };
      this.#socket.write(`GET ${path} HTTP/1.1\r\nhost: ${this.#host}\r\n\r\n`);
    });
    if (response.toString('latin1', 9, 12) !== '200')
      throw new Error(`${path} was not answered with 200: ${response.toString('utf8', 0, 2000)}`);
    return response;
  }

  close(): void {
    this.#waiting = null;
    this.#socket.destroy();
  }

  #take(part: Buffer): void {
    this.#parts.push(part);
    this.#received += part.length;
    this.#expected ??= readLength(this.#parts.length === 1 ? part : Buffer.concat(this.#parts));
    const isWhole =
      this.#expected === Infinity
        ? part.subarray(-5).equals(LAST_CHUNK)
        : this.#received >= (this.#expected ?? Infinity);
    if (!isWhole) return;
    const response = this.#parts.length === 1 ? part : Buffer.concat(this.#parts);
    [this.#parts, this.#received, this.#expected] = [[], 0, null];
    this.#waiting?.resolve(response);
  }

  #fail(error: Error): void {
    this.#waiting?.reject(error);
    this.#waiting = null;
  }
}

/** The body of an answer that did not come in chunks. */
export function bodyOf(response: Buffer): string {
  return response.toString('utf8', response.indexOf(HEAD_END) + HEAD_END.length);
}

/** The length of the whole answer, from its head; null where that has not come yet. */
function readLength(start: Buffer): number | null {
  const end = start.indexOf(HEAD_END);
  if (end < 0) return null;
  const [, length] = /\r\ncontent-length: (\d+)\r\n/i.exec(start.toString('latin1', 0, end + 2)) ?? [];
  return length === undefined ? Infinity : end + HEAD_END.length + Number(length);
}
