export type Listener<T> = (value: T) => void;

/** Typed events: `Events` maps a name to the argument of its listeners. */
export class Emitter<Events extends object> {
  private readonly listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** @returns a function that removes the listener. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): () => void {
    const set = this.listeners.get(name) ?? new Set();
    this.listeners.set(name, set.add(listener));
    return () => {
      set.delete(listener);
    };
  }

  protected emit<Name extends keyof Events>(name: Name, value: Events[Name]): void {
    // A copy: a listener may remove itself or others while it runs.
    for (const listener of [...(this.listeners.get(name) ?? [])]) (listener as Listener<Events[Name]>)(value);
  }
}
