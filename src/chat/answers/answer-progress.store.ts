import { Injectable } from '@nestjs/common';
import { AppError } from '../../errors/app-error.js';
import { redisKeys } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';
import type { ProgressFrame } from './answer-progress.js';

/** Longer than the time between two frames; a node that dies leaves nothing behind. */
const TTL_SECONDS = 6;

/** The last `run.progress` of answers without text, for sockets that subscribe meanwhile. */
@Injectable()
export class AnswerProgressStore {
  constructor(private readonly redis: RedisService) {}

  async read(runId: string): Promise<ProgressFrame | undefined> {
    const json = await this.redis.run((redis) => redis.get(redisKeys.runProgress(runId)));
    return json === null ? undefined : (JSON.parse(json) as ProgressFrame);
  }

  /** While Redis is down, nothing is kept. */
  async keep(runId: string, frame: ProgressFrame): Promise<void> {
    await this.orNothing((redis) =>
      redis.set(redisKeys.runProgress(runId), JSON.stringify(frame), 'EX', TTL_SECONDS),
    );
  }

  async drop(runId: string): Promise<void> {
    await this.orNothing((redis) => redis.del(redisKeys.runProgress(runId)));
  }

  private async orNothing(call: Parameters<RedisService['run']>[0]): Promise<void> {
    try {
      await this.redis.run(call);
    } catch (error) {
      // The connection's owner has reported it.
      if (!(error instanceof AppError)) throw error;
    }
  }
}
