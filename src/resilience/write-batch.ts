/** How a batch is written, and what it does when that fails. */
export interface WriteBatchOptions<T> {
  /** How long the first value waits for others, in milliseconds. Also the wait after a failure. */
  delayMs: number;
  /** Values of one write: between two writes the event loop is free. */
  maxPerWrite: number;
  /** Values that may wait while writing fails; beyond that the oldest are dropped. */
  maxWaiting: number;
  /** Writes values, in the order in which they came. */
  write(values: readonly T[]): Promise<unknown>;
  /** Called after each failed write; the values are tried again. */
  failed(error: unknown, waiting: number): void;
  /** Called for each value that is dropped. */
  dropped(value: T): void;
}

/**
 * Collects values, the last one of each key, and writes them together soon after: one command for all that came within
 * the delay. One write at a time, so a later value is never overtaken by an earlier one.
 */
export class WriteBatch<T> {
  private readonly waiting = new Map<string, T>();
  private inFlight: ReadonlyMap<string, T> = new Map();
  private timer: NodeJS.Timeout | undefined;
  private writing: Promise<void> | undefined;

  constructor(private readonly options: WriteBatchOptions<T>) {}

  /** Values that are not being written yet. */
  get size(): number {
    return this.waiting.size;
  }

  put(key: string, value: T): void {
    if (!this.waiting.has(key) && this.waiting.size >= this.options.maxWaiting) this.dropOldest();
    this.waiting.set(key, value);
    this.arm(this.options.delayMs);
  }

  /** The last value of a key that is not known to be written. */
  peek(key: string): T | undefined {
    return this.waiting.get(key) ?? this.inFlight.get(key);
  }

  /** All values that are not known to be written. */
  values(): T[] {
    return [...new Map([...this.inFlight, ...this.waiting]).values()];
  }

  /** Takes back a value that is not being written yet. */
  take(key: string): T | undefined {
    const value = this.waiting.get(key);
    this.waiting.delete(key);
    return value;
  }

  /** Writes what waits now. Resolves when it is written, or after a failure. */
  async flush(): Promise<void> {
    if (this.writing !== undefined) await this.writing;
    this.begin();
    await this.writing;
  }

  private arm(delayMs: number): void {
    if (this.timer !== undefined || this.writing !== undefined) return;
    this.timer = setTimeout(() => this.begin(), delayMs);
    this.timer.unref();
  }

  private begin(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.writing ??= this.writeAll().finally(() => {
      this.writing = undefined;
      if (this.waiting.size > 0) this.arm(this.options.delayMs);
    });
  }

  /** What comes meanwhile waits for the next batch, unless more waits than one write takes. */
  private async writeAll(): Promise<void> {
    while (this.waiting.size > 0) {
      const taken = this.takeSome();
      this.inFlight = new Map(taken);
      try {
        await this.options.write(taken.map(([, value]) => value));
      } catch (error) {
        this.putBack(taken);
        this.options.failed(error, this.waiting.size);
        return;
      } finally {
        this.inFlight = new Map();
      }
      if (taken.length < this.options.maxPerWrite) return;
      await new Promise(setImmediate);
    }
  }

  private takeSome(): [string, T][] {
    const taken: [string, T][] = [];
    for (const entry of this.waiting) {
      if (taken.length === this.options.maxPerWrite) break;
      taken.push(entry);
    }
    for (const [key] of taken) this.waiting.delete(key);
    return taken;
  }

  /** Before what came meanwhile; a value that was put again since is the newer one. */
  private putBack(taken: readonly [string, T][]): void {
    const newer = [...this.waiting];
    this.waiting.clear();
    for (const [key, value] of [...taken, ...newer]) this.waiting.set(key, value);
    while (this.waiting.size > this.options.maxWaiting) this.dropOldest();
  }

  private dropOldest(): void {
    const [oldest] = this.waiting;
    if (oldest === undefined) return;
    this.waiting.delete(oldest[0]);
    this.options.dropped(oldest[1]);
  }
}
