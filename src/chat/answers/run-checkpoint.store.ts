import { Injectable } from '@nestjs/common';
import { redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';

const TTL_SECONDS = 24 * 60 * 60;
/** For those who found the run in progress and read its text a moment after its end. */
const TTL_AFTER_END_SECONDS = 60;

/** The text of answers in progress, in Redis: Postgres gets it whole, at the end. */
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
 * Grows by the piece: a frame costs what it adds, not what the answer has grown to. Redis tells the length after each
 * addition. Where that is not what it must be (Redis lost its memory, or executed a command whose reply was lost), the
 * whole text is written anew.
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

  /** @param whole the text with the piece at its end */
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
