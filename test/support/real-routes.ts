import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { WsAdapter } from '@nestjs/platform-ws';
import { serveApiDocs } from '../../src/api-docs/api-docs.js';
import { AppModule } from '../../src/app.module.js';
import { loadConfig } from '../../src/config/config.js';
import { createHttpAdapter } from '../../src/http-server.js';
import { AppLogger } from '../../src/observability/logger.js';

const SETTINGS = {
  DATABASE_URL: 'postgres://127.0.0.1:1/nothing',
  REDIS_URL: 'redis://127.0.0.1:1',
  JWT_SECRET: 'a-secret-of-more-than-thirty-two-bytes',
  LOG_LEVEL: 'silent',
};

/** Every route of the application, such as `GET /conversations/{id}`. Nest's preview mode needs no engine for this. */
export async function realRoutes(): Promise<string[]> {
  const config = loadConfig(SETTINGS);
  const logger = new AppLogger(config);
  const adapter = createHttpAdapter(config, logger);
  const routes: string[] = [];
  adapter.getInstance().addHook('onRoute', ({ method, url }) => {
    for (const name of [method].flat()) routes.push(`${name} ${url.replace(/:(\w+)/g, '{$1}')}`);
  });
  const options = { preview: true, logger: false, bodyParser: false } as const;
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(config, logger),
    adapter,
    options,
  );
  app.useWebSocketAdapter(new WsAdapter(app));
  serveApiDocs(app);
  await app.init();
  await app.close();
  await logger.close();
  return routes;
}
