import 'reflect-metadata';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { INestApplicationContext } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { AdminCommandModule } from './admin-command.module.js';
import { AuditLogService } from './audit/audit-log.service.js';
import { type Config, ConfigError, loadConfig } from './config/config.js';
import { isMissingTable } from './database/missing-table.js';
import { AppError } from './errors/app-error.js';
import { AppLogger } from './observability/logger.js';
import {
  ADMIN_HELP,
  type AdminCommand,
  readAdminArguments,
  UsageError,
} from './operations/admin-arguments.js';
import { AdminCommandService } from './operations/admin-command.service.js';
import { EngineCheckService, reasonOf } from './operations/engine-check.service.js';
import { readNewPassword } from './operations/password-input.js';
import { RedisService } from './redis/redis.service.js';

/**
 * Runs one command of an operator: see `ADMIN_HELP`.
 * @returns the exit code: 0 done, 1 refused or failed, 2 not a command
 */
export async function runAdminCommand(
  args: readonly string[],
  environment: Record<string, string | undefined>,
): Promise<number> {
  try {
    const command = readAdminArguments(args);
    say(command.name === 'help' ? ADMIN_HELP : await perform(command, settingsOf(environment)));
    return 0;
  } catch (error) {
    process.stderr.write(`admin: ${explain(error)}\n`);
    return error instanceof UsageError ? 2 : 1;
  }
}

async function perform(command: Exclude<AdminCommand, { name: 'help' }>, config: Config): Promise<string> {
  const logger = new AppLogger(config);
  const program = await NestFactory.createApplicationContext(AdminCommandModule.with(config, logger), {
    logger,
    abortOnError: false,
  });
  let done: string;
  try {
    await program.get(EngineCheckService).requireReachable();
    const askPassword = () => readNewPassword(process.stdin, process.stderr);
    done = await program.get(AdminCommandService).run(command, askPassword);
    // Answered after everything that was published before it, which would be lost with the connection.
    await program.get(RedisService).confirmUp();
  } finally {
    await end(program, logger);
  }
  const lost = program.get(AuditLogService).waiting;
  if (lost === 0) return done;
  throw new Error(`${done}, but ${lost} rows could not be written to the audit log`);
}

async function end(program: INestApplicationContext, logger: AppLogger): Promise<void> {
  await program.close();
  await logger.close();
}

/** Those of a node, but for its name in the audit log, and what only a node does. Nothing is signed here. */
function settingsOf(environment: Record<string, string | undefined>): Config {
  const given = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''));
  return loadConfig({
    JWT_SECRET: randomBytes(32).toString('hex'),
    ...given,
    NODE_NAME: `admin-command@${hostname()}`.slice(0, 64),
    LOG_LEVEL: 'silent',
    AUDIT_RETENTION_DAYS: '0',
  });
}

function explain(error: unknown): string {
  if (error instanceof UsageError) return `${error.message}\n--help lists the commands.`;
  if (error instanceof ConfigError) return error.message;
  if (isMissingTable(error)) return 'the database has no schema yet: start a node once, which creates it';
  if (!(error instanceof AppError)) return error instanceof Error ? error.message : String(error);
  if (error.code !== 'dependency_unavailable' || error.cause === undefined) return error.detail;
  return `${error.detail}: ${reasonOf(error)}. A part may be done already: run the command again.`;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
