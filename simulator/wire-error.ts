/** An answer in the shape in which Binance refuses: a status and `{ code, msg }`. */
export class WireError extends Error {
  readonly status: number;
  readonly body: object;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, body: object, headers: Readonly<Record<string, string>> = {}) {
    super(`refused with status ${status}`);
    this.name = 'WireError';
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** Binance's refusal of a request. https://developers.binance.com/docs/binance-spot-api-docs/errors */
export function refuse(code: number, msg: string): WireError {
  return new WireError(400, { code, msg });
}

/** Binance's answer to a path that it does not have: no JSON. */
export const NOT_FOUND = { status: 404, body: '<html><body><h2>404 Not found</h2></body></html>' } as const;
