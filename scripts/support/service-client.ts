import { AppError } from '../../src/errors.ts';
import type { HealthDocument } from '../../src/http/health/health-schema.ts';
import { isHealthDocument } from './health-report.ts';

export interface ServiceAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

const TIMEOUT_MS = 5000;

/**
 * The origin at which to ask for the service that HOST and PORT describe: one that listens on all addresses is asked
 * on the loopback address.
 *
 * @throws AppError PORT_UNKNOWN where PORT is no port, or 0: then only the service itself knows it.
 */
export function serviceUrl(environment: Readonly<Record<string, string | undefined>>): string {
  const host = environment['HOST']?.trim() ?? '';
  const port = environment['PORT']?.trim() ?? '';
  const number = port === '' ? 8000 : Number(port);
  if (!Number.isInteger(number) || number < 1 || number > 65_535)
    throw new AppError('PORT_UNKNOWN', `PORT is ${port}: name the running service with --url http://host:port`);
  const asked = ['', '0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
  return `http://${asked.includes(':') ? `[${asked}]` : asked}:${number}`;
}

/**
 * Asks the service for `path` and reads its JSON object, whatever the status.
 *
 * @throws AppError URL_INVALID, or SERVICE_UNREACHABLE where nothing listens, nothing comes within 5 s, or the answer
 * is not JSON.
 */
export async function askService(url: string, path: string, timeoutMs: number = TIMEOUT_MS): Promise<ServiceAnswer> {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new AppError('URL_INVALID', `"${url}" is not a URL: write it as http://127.0.0.1:8000`);
  let status: number;
  let text: string;
  try {
    const response = await fetch(new URL(path, url), { signal: AbortSignal.timeout(timeoutMs), redirect: 'manual' });
    status = response.status;
    text = await response.text();
  } catch (error) {
    if (error instanceof Error && error.name === 'TimeoutError')
      throw new AppError(
        'SERVICE_UNREACHABLE',
        `${url} did not answer within ${timeoutMs / 1000} s: look at the service's log`,
      );
    // A refused connection says it all; other causes (no such host, a reset) are worth telling.
    const options = isRefused(error) ? {} : { cause: error };
    throw new AppError('SERVICE_UNREACHABLE', `no candlekeep answers at ${url}: is it running? make run`, options);
  }
  try {
    const body: unknown = JSON.parse(text);
    if (typeof body === 'object' && body !== null && !Array.isArray(body))
      return { status, body: body as Record<string, unknown> };
  } catch {
    // Said below.
  }
  throw createStrangerError(url);
}

/**
 * The answer of GET /health.
 *
 * @throws AppError as `askService` does, also where something else answers.
 */
export async function askHealth(url: string): Promise<HealthDocument> {
  const { body } = await askService(url, '/health');
  if (!isHealthDocument(body)) throw createStrangerError(url);
  return body;
}

function createStrangerError(url: string): AppError {
  const message = `what answers at ${url} is not candlekeep: set HOST and PORT, or pass --url`;
  return new AppError('SERVICE_UNREACHABLE', message);
}

function isRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof AggregateError) return error.errors.every(isRefused);
  return 'code' in error ? error.code === 'ECONNREFUSED' : isRefused(error.cause);
}
