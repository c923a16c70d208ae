import { createHash } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { extname } from 'node:path';

/** A file of the page, as it is sent. */
export interface PageAsset {
  readonly body: Buffer;
  /** The value of content-type. */
  readonly type: string;
  /** Strong: the same for the same bytes only. */
  readonly etag: string;
}

/** The name under which the chart library is served beside our own files. */
export const CHART_LIBRARY = 'lightweight-charts.mjs';

const FOLDER = new URL('./browser/', import.meta.url);
const LIBRARY_FILE = 'lightweight-charts.standalone.production.mjs';
/** What is served, by the end of the file's name; nothing else in the folder is. */
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.ts': 'text/javascript; charset=utf-8',
};

/**
 * Reads every file of the page by its name: the browser's own modules with their types taken out, and the chart library
 * from its package. They do not change while the process runs, so read them once.
 *
 * @throws Error where a file cannot be read or is no TypeScript whose types can simply be left out.
 */
export async function loadPageAssets(): Promise<ReadonlyMap<string, PageAsset>> {
  const names = (await readdir(FOLDER)).filter((name) => extname(name) in TYPES);
  const own = names.map(async (name): Promise<[string, PageAsset]> => {
    const source = await readFile(new URL(name, FOLDER));
    const body = extname(name) === '.ts' ? Buffer.from(toBrowserModule(source.toString())) : source;
    return [name, createAsset(body, TYPES[extname(name)] ?? '')];
  });
  // Its package exports no path to the file that needs no second package, and it lies beside the one that it exports.
  const library = readFile(new URL(LIBRARY_FILE, import.meta.resolve('lightweight-charts')));
  const chart: [string, PageAsset] = [CHART_LIBRARY, createAsset(await library, TYPES['.ts'] ?? '')];
  return new Map([...(await Promise.all(own)), chart]);
}

/**
 * What a browser runs of a TypeScript module: the same lines without their types, and the chart library imported by
 * the path that it is served at, as a browser finds no package.
 */
export function toBrowserModule(source: string): string {
  return stripQuietly(source).replaceAll(/(\bfrom\s+)'lightweight-charts'/g, `$1'./${CHART_LIBRARY}'`);
}

/**
 * Node runs this very file by stripping its types, which is stable; only the function that does it for others still
 * announces itself as experimental, with a line on standard error that would stand among the lines of the log.
 */
function stripQuietly(source: string): string {
  const emitWarning = Object.getOwnPropertyDescriptor(process, 'emitWarning') ?? {};
  process.emitWarning = () => undefined;
  try {
    return stripTypeScriptTypes(source);
  } finally {
    Object.defineProperty(process, 'emitWarning', emitWarning);
  }
}

function createAsset(body: Buffer, type: string): PageAsset {
  return { body, type, etag: `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"` };
}
