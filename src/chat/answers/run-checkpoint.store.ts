import { Injectable } from '@nestjs/common';
import { redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';

const TTL_SECONDS = 24 * 60 * 60;
/** For readers that found the run in progress and read its text just after it ended. */
const TTL_AFTER_END_SECONDS = 60;

/** The text of answers in progress, in Redis. Postgres gets the whole text at the end. */
@Injectable()
export class RunCheckpointStore {
  constructor(private readonly redis: RedisService) {}

  async read(runId: string): Promise<string> {
    return (await this.redis.run((redis) => redis.get(redisKeys.runCheckpoint(runId)))) ?? '';
  }

  /** The checkpoint of a run, for the one node that writes it. */
  open(runId: string, written: string): RunCheckpoint {
    return new RunCheckpoint(this.redis, runId, Buffer.byteLength(written));
  }
}

/**
 * The text is appended piece by piece, so the cost of a frame does not grow with the answer. Redis returns the length
 * after each append. If it is not the expected one (Redis lost its data, or executed a command whose reply was lost),
 * the whole text is written again.
 */
export class RunCheckpoint {
  private readonly key: string;

  constructor(
    private readonly redis: RedisService,
    runId: string,
    private bytes: number,
  ) {
    this.key = redisKeys.runCheckpoint(runId);
  }

  /** @param whole the whole text, including the piece */
  async append(piece: string, whole: string): Promise<void> {
    const expected = this.bytes + Buffer.byteLength(piece);
    const isFirst = this.bytes === 0;
    const stored = isFirst ? 0 : await this.redis.run((redis) => redis.append(this.key, piece));
    if (stored !== expected) {
      await this.redis.run((redis) => redis.set(this.key, whole, 'EX', TTL_SECONDS));
    }
    this.bytes = expected;
  }

  async end(): Promise<void> {
    await this.redis.run((redis) => redis.expire(this.key, TTL_AFTER_END_SECONDS));
  }
}
