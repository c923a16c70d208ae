import type {} from '@fastify/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { findKnownTag } from '../protocol/entity-tag.ts';
import { RequestError } from '../protocol/errors.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import { loadPageAssets, type PageAsset } from '../page/page-assets.ts';

/** Everything comes from this host, no script or style stands in the document, and nobody may frame it. */
const POLICY =
  "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'";

/**
 * `GET /`: the page for people, and `GET /page/:file`: its files. They answer in every phase, so that the page can tell
 * how far the service has come.
 */
export function registerPageRoutes(app: HttpApp): void {
  let assets: ReturnType<typeof loadPageAssets> | null = null;
  const find = async (name: string): Promise<PageAsset | undefined> => {
    assets ??= loadPageAssets().catch((error: unknown) => {
      // The next request tries again: a disk may answer by then.
      assets = null;
      throw error;
    });
    return (await assets).get(name);
  };

  app.get('/', { schema: { hide: true } }, async (request, reply) => {
    return send(request, reply.header('content-security-policy', POLICY), await find('index.html'));
  });

  app.get<{ Params: { file: string } }>('/page/:file', { schema: { hide: true } }, async (request, reply) => {
    return send(request, reply, await find(request.params.file));
  });
}

/** @throws RequestError ROUTE_UNKNOWN (404) where there is no such file. */
function send(request: FastifyRequest, reply: FastifyReply, asset: PageAsset | undefined): FastifyReply {
  if (asset === undefined) throw new RequestError('ROUTE_UNKNOWN', 'The page has no such file; it begins at /.');
  // Asked for each time and seldom sent: after an upgrade nobody sees old scripts on a new service.
  reply.headers({ etag: asset.etag, 'cache-control': 'no-cache', 'referrer-policy': 'no-referrer' });
  if (findKnownTag(request, asset.etag) !== null) return reply.code(304).send();
  return reply.type(asset.type).send(asset.body);
}
