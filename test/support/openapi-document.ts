import { z } from 'zod';

/** One documented answer of one operation. */
export interface DocumentedAnswer {
  readonly status: number;
  /** null where the answer has no body. */
  readonly contentType: string | null;
  /** The JSON schema of the body, with references into the document. */
  readonly schema: JsonSchema | null;
  /** Names in lower case. */
  readonly headers: readonly string[];
  /** The last part of each type of problem that is answered with this status; empty for what is no problem. */
  readonly problems: readonly string[];
}

export interface DocumentedOperation {
  readonly id: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly isAdmin: boolean;
  readonly hasBody: boolean;
  readonly answers: readonly DocumentedAnswer[];
}

type JsonSchema = Readonly<Record<string, unknown>>;

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, JsonSchema>> };
}

interface Operation {
  readonly operationId?: string;
  readonly security?: readonly unknown[];
  readonly requestBody?: object;
  readonly responses: Readonly<Record<string, Response>>;
}

interface Response {
  readonly headers?: Readonly<Record<string, object>>;
  readonly content?: Readonly<Record<string, { schema: JsonSchema }>>;
}

const PROBLEM_PREFIX = 'urn:candlekeep:problem:';

/** Every operation of an OpenAPI document with every answer, one for each content type. */
export function listOperations(document: Document): DocumentedOperation[] {
  return Object.entries(document.paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { operationId = '', security, requestBody, responses }]) => ({
      id: operationId,
      method: method.toUpperCase() as DocumentedOperation['method'],
      path,
      isAdmin: security !== undefined,
      hasBody: requestBody !== undefined,
      answers: Object.entries(responses).flatMap(([status, { headers = {}, content }]): DocumentedAnswer[] =>
        content === undefined
          ? [{ status: Number(status), contentType: null, schema: null, headers: Object.keys(headers), problems: [] }]
          : Object.entries(content).map(([contentType, { schema }]) => ({
              status: Number(status),
              contentType,
              schema,
              headers: Object.keys(headers),
              problems: contentType === 'application/problem+json' ? listProblems(schema) : [],
            })),
      ),
    })),
  );
}

/** What is wrong with `body` by a schema of the document; null where nothing is. Fields that it does not name are. */
export function findFault(document: Document, schema: JsonSchema, body: unknown): string | null {
  const text = JSON.stringify({ $defs: document.components.schemas, ...schema });
  const parser = z.fromJSONSchema(
    JSON.parse(text.replaceAll('#/components/schemas/', '#/$defs/')) as z.core.JSONSchema.JSONSchema,
  );
  const result = parser.safeParse(body);
  return result.success ? null : z.prettifyError(result.error);
}

function listProblems(schema: JsonSchema): string[] {
  const types = JSON.stringify(schema).matchAll(new RegExp(`"${PROBLEM_PREFIX}([a-z-]+)"`, 'g'));
  return [...types].map(([, name = '']) => name);
}
