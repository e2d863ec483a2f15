/** How long the event loop may be held before it gets to its sockets again. */
const SLICE_MS = 10;

/**
 * Work that may come in bulk, such as 10,000 sockets that close in one moment: done at once as long as it takes less
 * than 10 ms of a turn of the event loop, and the rest in the next turns, in order.
 */
export class SlicedQueue<T> {
  private waiting: T[] = [];
  private next = 0;
  /** When the slice of this turn ends. */
  private untilMs: number | undefined;

  constructor(private readonly work: (item: T) => void) {}

  push(item: T): void {
    if (this.untilMs === undefined) {
      this.untilMs = performance.now() + SLICE_MS;
      setImmediate(() => this.turn());
    }
    if (this.waiting.length === 0 && performance.now() < this.untilMs) this.work(item);
    else this.waiting.push(item);
  }

  private turn(): void {
    this.untilMs = undefined;
    if (this.waiting.length === 0) return;
    this.untilMs = performance.now() + SLICE_MS;
    // First: work that throws must not stop what follows.
    setImmediate(() => this.turn());
    while (this.next < this.waiting.length && performance.now() < this.untilMs) {
      this.work(this.waiting[this.next++]!);
    }
    if (this.next < this.waiting.length) return;
    this.waiting = [];
    this.next = 0;
  }
}
