/** `p50`, `p95`, `p99` and `max` of milliseconds, as text. */
export function spread(valuesMs: readonly number[]): string {
  const at = (share: number) => `${percentile(valuesMs, share).toFixed(1).padStart(7)}`;
  return `p50 ${at(0.5)}  p95 ${at(0.95)}  p99 ${at(0.99)}  max ${at(1)} ms  (${valuesMs.length})`;
}

/** The quantile: the smallest value that is not less than a `share` of all values. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}

/** Works on all of `items`, at most `width` at once, and returns the results in their order. */
export async function inParallel<Item, Result>(
  items: readonly Item[],
  width: number,
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  const next = items.entries();
  const worker = async (): Promise<void> => {
    for (const [index, item] of next) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: width }, worker));
  return results;
}
