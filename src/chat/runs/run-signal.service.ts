import { Injectable, type OnModuleInit } from '@nestjs/common';
import { background } from '../../observability/background.js';
import { AppLogger } from '../../observability/logger.js';
import { redisChannels } from '../../redis/redis-keys.js';
import { RedisService } from '../../redis/redis.service.js';

/** Notifies other nodes of work at once. If a message is lost, their sweeps or lease renewals find the work. */
@Injectable()
export class RunSignalService implements OnModuleInit {
  private onQueued: (() => void)[] = [];
  private onCancel: ((runId: string) => void)[] = [];

  constructor(
    private readonly redis: RedisService,
    private readonly logger: AppLogger,
  ) {}

  onModuleInit(): void {
    const { subscriber } = this.redis;
    const queued = Buffer.from(redisChannels.runQueued);
    const cancel = Buffer.from(redisChannels.runCancel);
    // As bytes: with a listener for 'message', every frame of every conversation would be decoded to a string.
    subscriber.on('messageBuffer', (channel: Buffer, message: Buffer) => {
      if (channel.equals(queued)) for (const listener of this.onQueued) listener();
      if (channel.equals(cancel)) for (const listener of this.onCancel) listener(message.toString());
    });
    this.redis.listen(redisChannels.runQueued, redisChannels.runCancel);
  }

  /** Calls `listener` when another node has queued runs that it cannot take. */
  whenQueued(listener: () => void): void {
    this.onQueued.push(listener);
  }

  /** Calls `listener` with the id of each run that must stop. */
  whenCancelled(listener: (runId: string) => void): void {
    this.onCancel.push(listener);
  }

  announceQueued(): void {
    this.publish(redisChannels.runQueued, '');
  }

  announceCancel(runId: string): void {
    this.publish(redisChannels.runCancel, runId);
  }

  private publish(channel: string, message: string): void {
    background(
      this.redis.run((redis) => redis.publish(channel, message)),
      this.logger,
      'run.signal_failed',
    );
  }
}
