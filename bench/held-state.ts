import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { countSockets } from '../scripts/process-sockets.js';
import type { ServerProcess } from '../scripts/server-process.js';
import type { BenchEngines } from './bench-cluster.js';
import { inspectHeap } from './node-inspector.js';

/** Everything that nodes and engines hold at one moment. */
export interface HeldState {
  /** Figures by name, such as `node-1 sockets`. */
  figures: Map<string, number>;
  /** Redis keys by the prefix before their first colon. */
  keys: Map<string, KeyState>;
}

export interface KeyState {
  count: number;
  /** Keys without an expiry. */
  endless: number;
  /** Life of the key that expires last. */
  longestMs: number;
}

export const MIB = 1024 * 1024;

const LOOKS_AT_REST = 8;
const BETWEEN_LOOKS_MS = 1500;

/** Inspects nodes from outside, and what they hold in Redis and Postgres. */
export class HeldStateReader {
  private constructor(
    private readonly servers: readonly ServerProcess[],
    private readonly redis: Redis,
    private readonly postgres: pg.Client,
  ) {}

  static async open(servers: readonly ServerProcess[], engines: BenchEngines): Promise<HeldStateReader> {
    const postgres = new pg.Client({ connectionString: engines.databaseUrl });
    await postgres.connect();
    return new HeldStateReader(servers, new Redis(engines.redisUrl), postgres);
  }

  async close(): Promise<void> {
    this.redis.disconnect();
    await this.postgres.end();
  }

  /** At rest, the maximum of several samples: the number of open Postgres connections varies. */
  async readAtRest(): Promise<HeldState> {
    const state = await this.read();
    for (let looks = 1; looks < LOOKS_AT_REST; looks++) {
      await wait(BETWEEN_LOOKS_MS);
      for (const [name, value] of (await this.read()).figures) {
        if (!name.endsWith('MiB')) state.figures.set(name, Math.max(value, state.figures.get(name) ?? 0));
      }
    }
    return state;
  }

  async read(): Promise<HeldState> {
    const figures = new Map<string, number>();
    for (const server of this.servers) {
      const { name, pid } = server.child;
      // Before any request to the node: each request opens a socket.
      figures.set(`${name} sockets`, countSockets(pid));
      const samples = await readMetrics(server.port);
      figures.set(`${name} connections`, sumOf(samples, 'chat_ws_connections'));
      figures.set(`${name} sessions`, sumOf(samples, 'chat_sessions_active'));
      const { usedBytes, handles } = await inspectHeap(server.child);
      figures.set(`${name} handles`, handles);
      figures.set(`${name} heap MiB`, usedBytes / MIB);
      figures.set(`${name} memory MiB`, sumOf(samples, 'process_resident_memory_bytes') / MIB);
    }
    const clients = (await this.redis.client('LIST')) as string;
    figures.set('redis clients', clients.trim().split('\n').length);
    const channels = (await this.redis.pubsub('CHANNELS', 'conversation:*')) as string[];
    figures.set('redis channels', channels.length);
    const { rows } = await this.postgres.query<{ all: string; open: string }>(
      `SELECT count(*) AS "all", count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS "open"
       FROM pg_stat_activity WHERE application_name = 'admit-one'`,
    );
    figures.set('postgres connections', Number(rows[0]?.all));
    figures.set('postgres transactions', Number(rows[0]?.open));
    return { figures, keys: await this.readKeys() };
  }

  private async readKeys(): Promise<Map<string, KeyState>> {
    const names = new Set<string>();
    for await (const found of this.redis.scanStream({ count: 500 }) as AsyncIterable<string[]>)
      for (const name of found) names.add(name);
    const keys = new Map<string, KeyState>();
    for (const [name, lifeMs] of await Promise.all([...names].map((key) => this.lifeOf(key)))) {
      const prefix = name.split(':')[0] ?? '';
      const state = keys.get(prefix) ?? { count: 0, endless: 0, longestMs: 0 };
      keys.set(prefix, state);
      // -2: the key expired after it was found.
      if (lifeMs === -2) continue;
      state.count += 1;
      if (lifeMs === -1) state.endless += 1;
      else state.longestMs = Math.max(state.longestMs, lifeMs);
    }
    return keys;
  }

  private async lifeOf(key: string): Promise<[key: string, lifeMs: number]> {
    return [key, await this.redis.pttl(key)];
  }
}

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** The metrics of a node, over a connection that is closed afterwards. */
export async function readMetrics(port: number): Promise<Sample[]> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, {
    headers: { connection: 'close' },
    signal: AbortSignal.timeout(20_000),
  });
  if (!response.ok) throw new Error(`GET /metrics answered ${response.status}`);
  const lines = (await response.text()).matchAll(/^([a-z_]+)(?:\{(.*)\})? (\S+)$/gm);
  return [...lines].map(([, name = '', inner = '', value]) => ({
    name,
    labels: Object.fromEntries(
      [...inner.matchAll(/([a-z_]+)="([^"]*)"/g)].map(([, label = '', text = '']) => [label, text]),
    ),
    value: Number(value),
  }));
}

/** Sum of the samples of a metric that have all these labels. */
export function sumOf(samples: readonly Sample[], name: string, labels: Record<string, string> = {}): number {
  return samples
    .filter((sample) => sample.name === name)
    .filter((sample) => Object.entries(labels).every(([label, value]) => sample.labels[label] === value))
    .reduce((sum, { value }) => sum + value, 0);
}
