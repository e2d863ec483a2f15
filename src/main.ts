import 'reflect-metadata';
import { setTimeout as sleep } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { serveApiDocs } from './api-docs/api-docs.js';
import { AppModule } from './app.module.js';
import { type Config, ConfigError, loadConfig } from './config/config.js';
import { migrate } from './database/data-source.js';
import { refusalIn } from './database/database-refusal.js';
import { UnusableDatabaseError } from './database/postgres-session.js';
import { configureHttp, createHttpAdapter } from './http-server.js';
import { background } from './observability/background.js';
import { AppLogger } from './observability/logger.js';
import { reasonOf } from './operations/engine-check.service.js';
import { onStopSignals } from './stop-signals.js';
import { serveWebPage } from './web-page.js';
import { DrainService } from './websocket/drain/drain.service.js';
import { UpgradeAdapter } from './websocket/upgrade/upgrade.adapter.js';

/** The process exits this long after the drain window, even if it has not finished. */
const SHUTDOWN_MARGIN_MS = 10_000;

async function main(): Promise<void> {
  const config = readConfig();
  const logger = new AppLogger(config);
  try {
    for (const detail of config.warnings) logger.warn('settings.contradict', { detail });
    await naming('DATABASE_URL', migrate(config.databaseUrl));
    const app = await start(config, logger);
    stopOnSignal(app, config, logger);
  } catch (error) {
    logger.critical('server.failed_to_start', {
      error: error instanceof Error ? error.message : String(error),
      // Our own words about a database say it already.
      ...(error instanceof UnusableDatabaseError ? {} : refusalIn(error)?.fields),
    });
    await exit(1, logger);
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
  await naming('HOST and PORT', app.listen(config.port, config.host));
  const { port } = app.getHttpServer().address() as { port: number };
  logger.info('server.listening', { port, host: config.host });
  logger.flush();
  return app;
}

function stopOnSignal(app: NestFastifyApplication, config: Config, logger: AppLogger): void {
  onStopSignals(
    (signal) => {
      logger.info('server.stopping', { signal });
      background(stop(app, config, logger), logger, 'server.stop_failed');
    },
    (signal) => {
      logger.info('server.stop_hurried', { signal });
      app.get(DrainService).hurry();
    },
  );
}

async function stop(app: NestFastifyApplication, config: Config, logger: AppLogger): Promise<void> {
  const limitMs = config.drainSeconds * 1000 + SHUTDOWN_MARGIN_MS;
  try {
    const end = await Promise.race([drainAndClose(app), sleep(limitMs, 'timed out', { ref: false })]);
    if (end === 'timed out') logger.critical('server.stop_timed_out');
    else logger.info('server.stopped');
    await exit(end === 'timed out' ? 1 : 0, logger);
  } catch (error) {
    const reason = error instanceof Error ? error.stack : String(error);
    logger.critical('server.stop_failed', { error: reason });
    await exit(1, logger);
  }
}

/** Ends the process after its last lines. When nobody reads them, Node cannot exit by itself. */
async function exit(code: number, logger: AppLogger): Promise<void> {
  if (await logger.close()) process.exit(code);
  process.kill(process.pid, 'SIGKILL');
}

/** Says of a failure which setting led there: the message of the system names an address at most. */
async function naming<T>(settings: string, work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw new Error(`${settings}: ${reasonOf(error)}`, { cause: error });
  }
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
