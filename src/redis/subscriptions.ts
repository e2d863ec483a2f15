import type { Redis } from 'ioredis';

const RETRY_MS = 1000;

/**
 * The channels that this node listens to. They are subscribed again after each reconnect; when Redis refuses that, it is
 * tried again until it does not. ioredis would do neither: a refusal after a reconnect ends the process.
 */
export class Subscriptions {
  /** Each with what wanted it last. */
  private readonly wanted = new Map<string, object>();
  private timer: NodeJS.Timeout | undefined;
  /** Counts connections: what an earlier one answers late says nothing about this one. */
  private connection = 0;
  private isComplete = false;

  /**
   * @param onRefused called with each refusal
   * @param onComplete called when all channels are active after a reconnect, or after a refusal
   */
  constructor(
    private readonly client: Redis,
    private readonly onRefused: (error: Error) => void,
    private readonly onComplete: () => void,
  ) {
    client.on('ready', () => this.renew());
    client.on('close', () => {
      this.connection += 1;
      this.isComplete = false;
      clearTimeout(this.timer);
    });
  }

  /** True while a message on any of the channels reaches this node. */
  get isListening(): boolean {
    return this.client.status === 'ready' && this.isComplete;
  }

  /** Listens to channels for the life of the process, whatever Redis says at first. */
  keep(channels: readonly string[]): void {
    for (const channel of channels) this.wanted.set(channel, this);
    // A connection that is being set up subscribes to all of them when it is ready.
    if (this.client.status === 'ready') this.renew();
  }

  /** Listens to one channel. @throws when Redis refuses it or the connection is lost; it is then not listened to */
  async add(channel: string): Promise<void> {
    const wish = {};
    this.wanted.set(channel, wish);
    try {
      await this.client.subscribe(channel);
    } catch (error) {
      // Unless somebody else wants it by now.
      if (this.wanted.get(channel) === wish) this.wanted.delete(channel);
      throw error;
    }
  }

  async remove(channel: string): Promise<void> {
    this.wanted.delete(channel);
    await this.client.unsubscribe(channel);
  }

  stop(): void {
    clearTimeout(this.timer);
  }

  private renew(): void {
    clearTimeout(this.timer);
    const { connection } = this;
    const channels = [...this.wanted.keys()];
    // Without a channel there is still an answer to wait for: that of a connection which can listen.
    const renewed = channels.length === 0 ? this.client.ping() : this.client.subscribe(...channels);
    renewed.then(
      () => {
        if (connection !== this.connection) return;
        this.isComplete = true;
        this.onComplete();
      },
      (error: Error) => {
        if (connection !== this.connection) return;
        this.isComplete = false;
        this.onRefused(error);
        this.timer = setTimeout(() => this.renew(), RETRY_MS).unref();
      },
    );
  }
}
