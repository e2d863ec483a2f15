import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import type { Config } from './config/config.js';
import type { AppLogger } from './observability/logger.js';

/** The build puts the page next to the compiled server. */
const WEB_ROOT = fileURLToPath(new URL('../web', import.meta.url));

/** The page can load from and connect to its own server only, so an injected script cannot send data elsewhere. */
function pagePolicy(publicUrl: string): string {
  const sockets = new URL(publicUrl).origin.replace(/^http/, 'ws');
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    `connect-src 'self' ${sockets}`,
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
  ].join('; ');
}

/** Serves the chat page. Each file has its own route, so that no wildcard route hides other addresses. */
export async function serveWebPage(
  app: NestFastifyApplication,
  { publicUrl }: Config,
  logger: AppLogger,
): Promise<void> {
  const policy = pagePolicy(publicUrl);
  if (!existsSync(join(WEB_ROOT, 'index.html'))) {
    logger.warn('web.not_built', { detail: 'the chat page is missing: npm run build makes it' });
    return;
  }
  const { default: fastifyStatic } = await import('@fastify/static');
  await app.register(fastifyStatic, {
    root: WEB_ROOT,
    wildcard: false,
    cacheControl: false,
    setHeaders: (reply, path) => {
      const isHashed = path.includes('/assets/');
      reply.header('cache-control', isHashed ? 'public, max-age=31536000, immutable' : 'no-cache');
      if (path.endsWith('.html')) reply.header('content-security-policy', policy);
    },
  });
}
