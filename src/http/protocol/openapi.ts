import fastifySwagger, { type SwaggerTransform, type SwaggerTransformObject } from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import { ANSWER_HEADERS, HEADERS_KEY, OPTIONAL_BODY_KEY, type AnswerHeader } from './answer-headers.ts';
import type { HttpApp } from './http-app.ts';
import { CONTENT_SECURITY_POLICY } from './limits.ts';
import type { Chapter } from './route-schema.ts';

const CHAPTERS: Readonly<Record<Chapter, string>> = {
  Data: 'Candles and futures data, oldest first, decimals with every stored digit.',
  Completeness: 'What is there, what is missing and why, what was refused, what was rewritten.',
  Live: 'Candles as they are stored.',
  TradingView: "The charting library's Universal Data Feed.",
  Service: 'How the service is.',
  Admin: 'With the bearer token of ADMIN_TOKEN.',
};

const DESCRIPTION = `Keeps OHLCV candles and futures data from exchanges, complete and exact.

Ranges are half-open, \`[since, until)\`. Decimals are strings, exactly as stored; \`numbers=float\` makes them numbers.
Follow \`next\` until it is null. Every error is an [RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) problem document
that says what to do; branch on its \`type\`. Unknown parameters are refused
under /v1; /udf, /health, /metrics and /migrations ignore them.`;

/** Swagger UI shows its icons as data: URLs. */
const DOCS_POLICY = { ...CONTENT_SECURITY_POLICY, 'img-src': ["'self'", 'data:'] };

/**
 * The OpenAPI 3.1 document of all routes that later plugins put on `app`, made of their schemas: for people at `/docs`,
 * for machines at `/docs/json` and `/docs/yaml`. A route with `schema: { hide: true }` is left out.
 */
export function registerOpenApi(app: HttpApp, { version }: { readonly version: string }): void {
  app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.1',
      info: { title: 'candlekeep', version, description: DESCRIPTION, license: { name: 'MIT', identifier: 'MIT' } },
      servers: [{ url: '/' }],
      tags: Object.entries(CHAPTERS).map(([name, description]) => ({ name, description })),
      components: {
        securitySchemes: { adminToken: { type: 'http', scheme: 'bearer', description: 'The value of ADMIN_TOKEN.' } },
      },
    },
    transform: transformRoute,
    transformObject: describeComponents,
  });
  app.register(fastifySwaggerUi, {
    routePrefix: '/docs',
    uiConfig: {
      layout: 'BaseLayout',
      validatorUrl: null,
      docExpansion: 'list',
      deepLinking: true,
      displayRequestDuration: true,
    },
    theme: { title: 'candlekeep API' },
    transformStaticCSP: () =>
      Object.entries(DOCS_POLICY)
        .map(([directive, sources]) => [directive, ...sources].join(' '))
        .join('; '),
  });
}

/** Makes JSON schemas of a route's zod schemas, and adds the headers of its answers, which the transform drops. */
const transformRoute: SwaggerTransform = (document) => {
  const { [HEADERS_KEY]: headers = {}, ...schema } = document.schema as {
    [HEADERS_KEY]?: Record<string, AnswerHeader[]>;
  };
  const transformed = jsonSchemaTransform({ ...document, schema });
  const answers = (transformed.schema as { response?: Record<string, object> }).response ?? {};
  for (const [status, answer] of Object.entries(answers))
    Object.assign(answer, {
      headers: Object.fromEntries((headers[status] ?? []).map((name) => [name, { ...ANSWER_HEADERS[name] }])),
    });
  return transformed;
};

interface Operation {
  [OPTIONAL_BODY_KEY]?: boolean;
  readonly requestBody?: { required?: boolean };
}

/** Adds the named schemas, and drops those that no operation refers to, directly or through another. */
const describeComponents: SwaggerTransformObject = (document) => {
  const described = jsonSchemaTransformObject(document);
  const all: Record<string, object> = ('components' in described && described.components.schemas) || {};
  const used = new Set<string>();
  const collect = (part: unknown): void => {
    for (const [, name = ''] of JSON.stringify(part).matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
      if (used.has(name)) continue;
      used.add(name);
      collect(all[name]);
    }
  };
  collect(described.paths);
  for (const path of Object.values((described.paths ?? {}) as Record<string, Record<string, Operation>>))
    for (const operation of Object.values(path)) {
      // Each body counts as required there.
      if (operation[OPTIONAL_BODY_KEY] && operation.requestBody) operation.requestBody.required = false;
      Reflect.deleteProperty(operation, OPTIONAL_BODY_KEY);
    }
  // eslint-disable-next-line @typescript-eslint/no-dynamic-delete -- the object was made just now
  for (const name of Object.keys(all)) if (!used.has(name)) delete all[name];
  return described;
};
