import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import { NestFactory } from '@nestjs/core';
import { Redis } from 'ioredis';
import { say } from '../scripts/launch-error.js';
import { AppModule } from '../src/app.module.js';
import { CLOCK_TOLERANCE_SECONDS } from '../src/auth/access-token.js';
import { UnifiedAuthenticationService } from '../src/auth/unified-authentication.service.js';
import { type Config, loadConfig } from '../src/config/config.js';
import { migrate } from '../src/database/data-source.js';
import { AppLogger } from '../src/observability/logger.js';
import { redisKeys } from '../src/redis/redis-keys.js';
import type { SessionRecord } from '../src/session/session-record.js';
import { startEngines } from './bench-cluster.js';
import { type BenchFolder, runBench } from './bench-program.js';
import { inParallel, percentile } from './figures.js';

const ROUNDS = 15;
/** Warm-up rounds. */
const WARM_UP_ROUNDS = 3;
/** Tokens of a round, each with its own session. */
const TOKENS = 600;
/** Calls that wait for Redis at the same time, as on a busy node. */
const IN_FLIGHT = 20;

type Validate = (token: string) => Promise<unknown>;

/**
 * Measures what the one service adds to the minimum: verifying a signature and reading a session. The peer does only
 * these two: jsonwebtoken through Nest's wrapper, with a KeyObject, and GETEX through ioredis. All of them run in this
 * process, in turns, on the same tokens, with a real Redis.
 */
async function measureValidation(folder: BenchFolder): Promise<boolean> {
  const { settings, databaseUrl, redisUrl } = await startEngines(folder);
  const config = loadConfig({ ...settings, REDIS_URL: redisUrl, LOG_LEVEL: 'silent' });
  await migrate(databaseUrl);
  const logger = new AppLogger(config);
  const app = await NestFactory.createApplicationContext(AppModule.with(config, logger), { logger });
  const redis = new Redis(redisUrl);
  const service = app.get(UnifiedAuthenticationService);
  const peer = peerOf(config, redis);
  const validate: Validate = (token) => service.validateToken(token);

  const costs = { peer: [] as number[], cold: [] as number[], warm: [] as number[] };
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round++) {
    const tokens = await signTokens(service, redis, config);
    // The first one pays for caches that the others find warm.
    const isPeerFirst = round % 2 === 0;
    const first = isPeerFirst ? await cost(peer, tokens) : undefined;
    const cold = await cost(validate, tokens);
    const warm = await cost(validate, tokens);
    const peerCost = first ?? (await cost(peer, tokens));
    if (round < 0) continue;
    costs.peer.push(peerCost);
    costs.cold.push(cold);
    costs.warm.push(warm);
  }
  redis.disconnect();
  await app.close();
  const limit = percentile(costs.peer, 0.5);
  for (const [name, values] of Object.entries(costs)) {
    const median = percentile(values, 0.5);
    const range = `${percentile(values, 0.25).toFixed(1)}-${percentile(values, 0.75).toFixed(1)}`;
    say(`${name}  ${median.toFixed(1).padStart(6)} us  (quartiles ${range})  ${(median / limit).toFixed(2)}`);
  }
  say(
    `CPU time of this process per call, medians of ${ROUNDS} rounds of ${TOKENS}; last column: to the peer`,
  );
  return true;
}

function peerOf({ jwt, sessionTtlSeconds }: Config, redis: Redis): Validate {
  const verifier = new JwtService({
    secretOrKeyProvider: () => jwt.verifying.get(jwt.signing.kid) ?? jwt.signing.key,
    verifyOptions: {
      algorithms: [jwt.algorithm],
      issuer: jwt.issuer,
      audience: jwt.audience,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    },
  });
  return async (token) => {
    const { sub, session_id } = verifier.verify<{ sub: string; session_id: string }>(token);
    const json = await redis.getex(redisKeys.session(sub, session_id), 'EX', sessionTtlSeconds);
    if (json === null) throw new Error('the session is gone');
    return JSON.parse(json) as SessionRecord;
  };
}

/** Sessions as a sign-in stores them, with tokens that were not verified yet. */
async function signTokens(
  service: UnifiedAuthenticationService,
  redis: Redis,
  config: Config,
): Promise<string[]> {
  const sessions = Array.from({ length: TOKENS }, aSession);
  await inParallel(sessions, IN_FLIGHT, (session) =>
    redis.set(
      redisKeys.session(session.user_id, session.session_id),
      JSON.stringify(session),
      'EX',
      config.sessionTtlSeconds,
    ),
  );
  const iat = Math.floor(Date.now() / 1000);
  const life = { iat, exp: iat + config.accessTokenTtlSeconds };
  return sessions.map(({ user_id: id, email, role, display_name, session_id }) =>
    service.issueAccessToken({ id, email, role, display_name }, session_id, life),
  );
}

function aSession(): SessionRecord {
  return {
    user_id: randomUUID(),
    email: 'user@example.test',
    role: 'user',
    connected_at: new Date().toISOString(),
    websocket_endpoint: 'ws://localhost:8000/ws',
    session_id: randomUUID(),
    display_name: 'User',
    absolute_expires_at: Date.now() + 3_600_000,
    user_agent: 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0',
  };
}

/** Microseconds of CPU time per call, without waits for Redis and other programs. */
async function cost(validate: Validate, tokens: readonly string[]): Promise<number> {
  const before = process.cpuUsage();
  await inParallel(tokens, IN_FLIGHT, validate);
  const { user, system } = process.cpuUsage(before);
  return (user + system) / tokens.length;
}

await runBench('validate-token', 120, measureValidation);
