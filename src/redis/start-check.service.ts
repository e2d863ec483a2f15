import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { Config } from '../config/config.js';
import type { RedisAddress } from '../config/redis-address.js';
import { AppError } from '../errors/app-error.js';
import { serverInfo } from './redis-info.js';
import { replyOf } from './redis-report.js';
import { RedisService } from './redis.service.js';
import { meaningIn } from './refused-reply.js';
import { unfitness } from './unfitness.js';

/**
 * Ends the start when `REDIS_URL` leads to a Redis that can never do: no waiting would help. One that is down, or that
 * refuses for now, does not end it: the node is not ready until it serves.
 */
@Injectable()
export class StartCheckService implements OnApplicationBootstrap {
  private readonly form: RedisAddress['form'];

  constructor(
    config: Config,
    private readonly redis: RedisService,
  ) {
    this.form = config.redis.form;
  }

  /** @throws with what was expected and what came. */
  async onApplicationBootstrap(): Promise<void> {
    const complaint = await this.complaint();
    if (complaint !== undefined) throw new Error(`REDIS_URL: ${complaint}`);
  }

  private async complaint(): Promise<string | undefined> {
    const { client, loss } = this.redis;
    if (client.status !== 'ready') return loss === undefined ? undefined : complaintAbout(loss);
    const servers = await serverInfo(client, 'server');
    return servers.map((server) => unfitness(server, this.form)).find(Boolean) ?? (await this.refusal());
  }

  private async refusal(): Promise<string | undefined> {
    try {
      await this.redis.confirmUp();
      return undefined;
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      const reply = replyOf(error);
      return reply === undefined ? undefined : complaintAbout(reply.message);
    }
  }
}

function complaintAbout(reply: string): string | undefined {
  const meaning = meaningIn(reply);
  return meaning?.isLasting === true ? `${meaning.advice}; it replied "${reply.trim()}"` : undefined;
}
