/** A request that was not answered with what was asked for. */
export class RequestFailure extends Error {
  /** null: nothing answered at all. */
  readonly status: number | null;

  constructor(message: string, status: number | null, options: ErrorOptions = {}) {
    super(message, options);
    this.name = 'RequestFailure';
    this.status = status;
  }
}

const TIMEOUT_MS = 15_000;

/** Path and query; what is undefined is left out. */
export function pathTo(path: string, query: Readonly<Record<string, string | number | undefined>> = {}): string {
  const given = Object.entries(query).flatMap(([name, value]): [string, string][] =>
    value === undefined ? [] : [[name, String(value)]],
  );
  return given.length === 0 ? path : `${path}?${new URLSearchParams(given).toString()}`;
}

/**
 * The JSON that the service answers at `path`.
 *
 * @param accepted other states whose answer counts, such as 503 of /health
 * @throws RequestFailure with the detail of the problem document, or that nothing answers.
 */
export async function fetchJson<T>(path: string, signal?: AbortSignal, accepted: readonly number[] = []): Promise<T> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  let response: Response;
  try {
    response = await fetch(path, { signal: signal ? AbortSignal.any([signal, limit]) : limit, cache: 'no-cache' });
  } catch (error) {
    if (signal?.aborted === true) throw error;
    throw new RequestFailure(
      limit.aborted ? 'The service did not answer within 15 s.' : 'The service does not answer.',
      null,
      { cause: error },
    );
  }
  const body: unknown = await response.json().catch(() => null);
  if ((response.ok || accepted.includes(response.status)) && body !== null) return body as T;
  const { detail } = (body ?? {}) as { detail?: unknown };
  throw new RequestFailure(
    typeof detail === 'string' ? detail : `The service answered ${response.status} to ${path}.`,
    response.status,
  );
}

/** All rows of an answer in pages, following `next`, up to `mostPages`. */
export async function fetchPages<Row>(path: string, signal?: AbortSignal, mostPages = 4): Promise<Row[]> {
  const rows: Row[] = [];
  let next: string | null = path;
  for (let page = 0; next !== null && page < mostPages; page++) {
    const answer: { readonly next: string | null; readonly data: readonly Row[] } = await fetchJson(next, signal);
    rows.push(...answer.data);
    next = answer.next;
  }
  return rows;
}
