import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { Config } from '../config/config.js';
import type { RedisAddress } from '../config/redis-address.js';
import { DatabaseService } from '../database/database.service.js';
import { AppError } from '../errors/app-error.js';
import { RedisService } from '../redis/redis.service.js';

const TIME_LIMIT_MS = 3000;
const POLL_INTERVAL_MS = 50;

/** Says before anything is done which engine cannot be reached, where, and why. */
@Injectable()
export class EngineCheckService {
  constructor(
    private readonly config: Config,
    private readonly database: DatabaseService,
    private readonly redis: RedisService,
  ) {}

  /** @throws {AppError} `dependency_unavailable` within four seconds, with a message for the operator. */
  async requireReachable(): Promise<void> {
    const checks = await Promise.allSettled([this.reachPostgres(), this.reachRedis()]);
    const reasons = checks.flatMap((check) => (check.status === 'rejected' ? [reasonOf(check.reason)] : []));
    if (reasons.length > 0) throw new AppError('dependency_unavailable', { detail: reasons.join('\n') });
  }

  private async reachPostgres(): Promise<void> {
    try {
      await this.database.confirmUp();
    } catch (error) {
      throw unreachable('PostgreSQL', 'DATABASE_URL', placeOf(this.config.databaseUrl), error);
    }
  }

  private async reachRedis(): Promise<void> {
    const { client } = this.redis;
    let failure: unknown = new Error(`no answer within ${TIME_LIMIT_MS / 1000} s`);
    const remember = (error: unknown) => {
      failure = error;
    };
    client.on('error', remember);
    try {
      const deadline = performance.now() + TIME_LIMIT_MS;
      while (client.status !== 'ready' && performance.now() < deadline) await sleep(POLL_INTERVAL_MS);
      if (client.status !== 'ready') throw failure;
      await this.redis.confirmUp();
    } catch (error) {
      throw unreachable('Redis', 'REDIS_URL', placesOf(this.config.redis), error);
    } finally {
      client.off('error', remember);
    }
  }
}

function unreachable(engine: string, setting: string, place: string, error: unknown): AppError {
  const detail = `${engine} cannot be reached at ${place} (${setting}): ${reasonOf(error)}`;
  return new AppError('dependency_unavailable', { detail, cause: error });
}

/** What the client of the engine said, below our own words for it. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof AppError && error.cause === undefined) return error.detail;
  if (error instanceof AppError && error.detail.includes('cannot be reached')) return error.detail;
  if (error instanceof AppError) return reasonOf(error.cause);
  const { lastNodeError } = error as { lastNodeError?: unknown };
  if (lastNodeError !== undefined) return `${error.message} ${reasonOf(lastNodeError)}`;
  // Several addresses of one name that all refuse have no message of their own.
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ');
  return error.message;
}

function placesOf(address: RedisAddress): string {
  switch (address.form) {
    case 'single':
      return placeOf(address.url);
    case 'sentinel':
      return `${address.masterName} of ${address.sentinels.map(hostAndPort).join(', ')}`;
    case 'cluster':
      return address.nodes.map(hostAndPort).join(', ');
  }
}

/** Without the password that may stand in the URL. */
function placeOf(url: string): string {
  const { host, pathname } = new URL(url);
  return `${host}${pathname}`;
}

function hostAndPort({ host, port }: { host: string; port: number }): string {
  return `${host}:${port}`;
}
