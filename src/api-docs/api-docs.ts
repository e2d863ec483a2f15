import { createReadStream } from 'node:fs';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance } from 'fastify';
import { Config } from '../config/config.js';
import { BROWSER_PAGES, type BrowserPage, type PageFile } from './browser-pages.js';

/** The documents change with the program; the bundles change with their packages. */
const REVALIDATED = 'no-cache';
const KEPT_FOR_A_DAY = 'public, max-age=86400';

/**
 * Serves the documents and the pages that show them. They are plain routes without a guard: public, and served while
 * Redis is down. The documents are built at the first request, because loading the builder would slow down every start
 * (by 420 ms, measured on two busy cores).
 */
export function serveApiDocs(app: NestFastifyApplication): void {
  const fastify: FastifyInstance = app.getHttpAdapter().getInstance();
  serveDocument(fastify, '/api/openapi.json', async () => {
    const { buildOpenApi } = await import('./openapi.js');
    return buildOpenApi(app);
  });
  serveDocument(fastify, '/api/asyncapi.json', async () => {
    const { buildAsyncApi } = await import('./asyncapi.js');
    return buildAsyncApi(app.get(Config).publicUrl);
  });
  fastify.get('/api/v1/docs', (_request, reply) => reply.redirect('/api/docs', 308));
  for (const page of BROWSER_PAGES) servePage(fastify, page);
}

function serveDocument(fastify: FastifyInstance, path: string, build: () => Promise<object>): void {
  let text: Promise<string> | undefined;
  fastify.get(path, async (_request, reply) => {
    text ??= build().then((document) => JSON.stringify(document));
    return reply
      .header('cache-control', REVALIDATED)
      .type('application/json; charset=utf-8')
      .send(await text);
  });
}

function servePage(fastify: FastifyInstance, page: BrowserPage): void {
  fastify.get(page.path, (_request, reply) =>
    reply
      .headers({ 'cache-control': REVALIDATED, 'content-security-policy': page.policy })
      .type('text/html; charset=utf-8')
      .send(page.html),
  );
  for (const [name, file] of Object.entries(page.files)) serveFile(fastify, `${page.path}/${name}`, file);
}

function serveFile(fastify: FastifyInstance, path: string, { mediaType, content }: PageFile): void {
  fastify.get(path, (_request, reply) => {
    const isOurs = typeof content === 'string';
    return reply
      .header('cache-control', isOurs ? REVALIDATED : KEPT_FOR_A_DAY)
      .type(mediaType)
      .send(isOurs ? content : createReadStream(content()));
  });
}
