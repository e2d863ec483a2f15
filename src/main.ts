import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { serveApiDocs } from './api-docs/api-docs.js';
import { AppModule } from './app.module.js';
import { type Config, ConfigError, loadConfig } from './config/config.js';
import { migrate } from './database/data-source.js';
import { refusalIn } from './database/database-refusal.js';
import { UnusableDatabaseError } from './database/postgres-session.js';
import { configureHttp, createHttpAdapter } from './http-server.js';
import { AppLogger } from './observability/logger.js';
import { serveWebPage } from './web-page.js';
import { DrainService } from './websocket/drain/drain.service.js';
import { UpgradeAdapter } from './websocket/upgrade/upgrade.adapter.js';

/** The process exits this long after the drain window, even if it has not finished. */
const SHUTDOWN_MARGIN_MS = 10_000;

async function main(): Promise<void> {
  const config = readConfig();
  const logger = new AppLogger(config);
  try {
    await migrate(config.databaseUrl);
    const app = await start(config, logger);
    stopOnSignal(app, config, logger);
  } catch (error) {
    logger.critical('server.failed_to_start', {
      error: error instanceof Error ? error.message : String(error),
      // Our own words about a database say it already.
      ...(error instanceof UnusableDatabaseError ? {} : refusalIn(error)?.fields),
    });
    logger.close();
    process.exit(1);
  }
}

async function start(config: Config, logger: AppLogger): Promise<NestFastifyApplication> {
  const app = await NestFactory.create<NestFastifyApplication>(
    AppModule.with(config, logger),
    createHttpAdapter(config, logger),
    // Nest would add a form parser: another site can make a browser send forms without a CORS preflight.
    { logger, abortOnError: false, bodyParser: false },
  );
  configureHttp(app, config);
  app.useWebSocketAdapter(app.get(UpgradeAdapter));
  await serveWebPage(app, config, logger);
  serveApiDocs(app);
  await app.listen(config.port, config.host);
  const { port } = app.getHttpServer().address() as { port: number };
  logger.info('server.listening', { port, host: config.host });
  logger.flush();
  return app;
}

function stopOnSignal(app: NestFastifyApplication, config: Config, logger: AppLogger): void {
  let isStopping = false;
  const stop = (signal: string) => {
    if (isStopping) return;
    isStopping = true;
    logger.info('server.stopping', { signal });
    setTimeout(
      () => {
        logger.critical('server.stop_timed_out');
        logger.close();
        process.exit(1);
      },
      config.drainSeconds * 1000 + SHUTDOWN_MARGIN_MS,
    ).unref();
    drainAndClose(app).then(
      () => {
        logger.info('server.stopped');
        logger.close();
        process.exit(0);
      },
      (error: unknown) => {
        logger.critical('server.stop_failed', {
          error: error instanceof Error ? error.stack : String(error),
        });
        logger.close();
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}

/** Closes the Nest application only after the drain, which needs all of its services. */
async function drainAndClose(app: NestFastifyApplication): Promise<void> {
  await app.get(DrainService).drain();
  await app.close();
}

/** An invalid setting ends the process. It is reported on stderr because there is no logger yet. */
function readConfig(): Config {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

await main();
