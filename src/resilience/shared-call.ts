/** Something that costs the same however many ask for it at one time: callers that come while it runs share its outcome. */
export class SharedCall<T> {
  private running: Promise<T> | undefined;

  constructor(private readonly call: () => Promise<T>) {}

  ask(): Promise<T> {
    this.running ??= this.call().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }
}
