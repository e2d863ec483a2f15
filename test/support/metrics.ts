import { request } from './http.js';
import type { TestNode } from './node.js';
import { rememberReason } from './seen-codes.js';

/** What a node exports now. */
export async function scrape(node: TestNode): Promise<string> {
  return (await request<string>('GET', `${node.url}/metrics`, { expect: 200 })).body;
}

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** Every sample that a node exports now. */
export async function samples(node: TestNode): Promise<Sample[]> {
  return [...(await scrape(node)).matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm)].map(
    ([, name = '', inner = '', value]) => ({
      name,
      labels: Object.fromEntries(
        [...inner.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text]),
      ),
      value: Number(value),
    }),
  );
}

/** The sum of a metric's samples that carry all these labels; 0 when there is none yet. */
export async function metric(
  node: TestNode,
  name: string,
  labels: Record<string, string> = {},
): Promise<number> {
  const wanted = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  let sum = 0;
  for (const line of (await scrape(node)).split('\n')) {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/.exec(line);
    if (match?.[1] !== name || !wanted.every((label) => match[2]?.includes(label) === true)) continue;
    sum += Number(match[3]);
  }
  if (sum > 0) rememberReason(labels.reason);
  return sum;
}
