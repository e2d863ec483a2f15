/** After this time a server is offered the feature again: it, or its model, may have been replaced. */
const AGAIN_MS = 60_000;

/** Something that a model server has refused, and that it is spared for a while. */
export class RefusedFeature {
  private refusedAtMs = -Infinity;

  get isRefused(): boolean {
    return performance.now() - this.refusedAtMs < AGAIN_MS;
  }

  refuse(): void {
    this.refusedAtMs = performance.now();
  }
}
