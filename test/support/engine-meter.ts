import { closeSync, openSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { currentRun } from '../../scripts/testing/test-run.js';
import type { Cluster } from './cluster.js';

/** What the engines of a cluster have been asked so far, or what one piece of work has asked of them. */
export interface Asked {
  /** Commands of Redis, each in a script as well. */
  commands: number;
  /** Bytes that Redis has received and sent. */
  bytesIn: number;
  bytesOut: number;
  /** Statements of PostgreSQL, BEGIN and COMMIT as well. */
  statements: number;
}

/** The same for one of several pieces of work, and which commands they were. */
export interface AskedEach extends Asked {
  byCommand: string;
}

interface Reading extends Asked {
  atMs: number;
  byCommand: Map<string, number>;
}

const COUNTED = ['commands', 'bytesIn', 'bytesOut', 'statements'] as const;
const WINDOW_MS = 300;
/** Enough that their median knows nothing of what was done just before. */
const IDLE_WINDOWS = 7;
/** What nodes do once a second fits into this many more in one window. */
const BURST = 10;
const QUIET_LIMIT_MS = 20_000;
/** PostgreSQL's default `log_line_prefix` is before it. */
const STATEMENT = /\bLOG: {2}(?:statement|execute \S+):/g;

/**
 * Counts what nodes ask of their engines, without a clock in the result: Redis counts its commands itself, PostgreSQL
 * writes each statement of this database into the run's log. What nodes ask by themselves, such as heartbeats, is measured
 * first and subtracted.
 */
export class EngineMeter {
  private readonly log = join(currentRun().folder, 'postgres.log');
  private readonly redis: Redis;
  private readonly logStart: number;
  private idlePerMs: Asked = { commands: 0, bytesIn: 0, bytesOut: 0, statements: 0 };
  private ownBytesOut = 0;

  private constructor(cluster: Cluster) {
    this.redis = new Redis(cluster.redisUrl);
    this.logStart = statSync(this.log).size;
  }

  /** @param cluster one that has no nodes yet: a setting of the database holds for connections that are new. */
  static async open(cluster: Cluster): Promise<EngineMeter> {
    const [row] = await cluster.sql<{ name: string }>('SELECT current_database() AS name');
    await cluster.sql(`ALTER DATABASE ${row?.name} SET log_statement = 'all'`);
    return new EngineMeter(cluster);
  }

  close(): void {
    this.redis.disconnect();
  }

  /** Measures what the nodes ask when nobody asks them. */
  async rest(): Promise<void> {
    const rates: Asked[] = [];
    for (let window = 0; window < IDLE_WINDOWS; window++) rates.push(await this.rate());
    for (const what of COUNTED) {
      const sorted = rates.map((rate) => rate[what]).sort((a, b) => a - b);
      this.idlePerMs[what] = sorted[Math.floor(IDLE_WINDOWS / 2)] ?? 0;
    }
  }

  /** What each of `times` pieces of work asks, with everything that follows from it. */
  async each(times: number, work: () => Promise<unknown>): Promise<AskedEach> {
    const before = await this.read();
    await work();
    await this.untilQuiet();
    const after = await this.read();
    const elapsedMs = after.atMs - before.atMs;
    const of = (what: keyof Asked): number =>
      (after[what] - before[what] - this.idlePerMs[what] * elapsedMs) / times;
    const calls = [...after.byCommand].map(([name, count]) => ({
      name,
      each: (count - (before.byCommand.get(name) ?? 0)) / times,
    }));
    return {
      commands: of('commands'),
      bytesIn: of('bytesIn'),
      bytesOut: of('bytesOut'),
      statements: of('statements'),
      byCommand: calls
        .filter(({ each }) => each > 0.1)
        .toSorted((a, b) => b.each - a.each)
        .map(({ name, each }) => `${name} ${each.toFixed(1)}`)
        .join(', '),
    };
  }

  /** Until the nodes ask no more than when nobody asks them: what is written in batches has been written. */
  private async untilQuiet(): Promise<void> {
    const deadline = performance.now() + QUIET_LIMIT_MS;
    for (;;) {
      const { commands, statements } = await this.rate();
      const spare = BURST / WINDOW_MS;
      if (commands <= this.idlePerMs.commands + spare && statements <= this.idlePerMs.statements + spare)
        return;
      if (performance.now() > deadline) throw new Error('the nodes do not stop asking their engines');
    }
  }

  private async rate(): Promise<Asked> {
    const before = await this.read();
    await sleep(WINDOW_MS);
    const after = await this.read();
    const of = (what: keyof Asked): number => (after[what] - before[what]) / (after.atMs - before.atMs);
    return {
      commands: of('commands'),
      bytesIn: of('bytesIn'),
      bytesOut: of('bytesOut'),
      statements: of('statements'),
    };
  }

  private async read(): Promise<Reading> {
    const stats = await this.redis.info('stats');
    const commandStats = await this.redis.info('commandstats');
    const byCommand = new Map(
      [...commandStats.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm)]
        .map(([, name = '', calls]) => [name, Number(calls)] as const)
        .filter(([name]) => name !== 'info'),
    );
    const reading = {
      atMs: performance.now(),
      commands: [...byCommand.values()].reduce((sum, calls) => sum + calls, 0),
      bytesIn: numberIn(stats, 'total_net_input_bytes'),
      // Redis counts our own readings too, once they were sent.
      bytesOut: numberIn(stats, 'total_net_output_bytes') - this.ownBytesOut,
      statements: this.statements(),
      byCommand,
    };
    this.ownBytesOut += stats.length + commandStats.length;
    return reading;
  }

  private statements(): number {
    const length = statSync(this.log).size - this.logStart;
    const bytes = Buffer.alloc(length);
    const file = openSync(this.log, 'r');
    readSync(file, bytes, 0, length, this.logStart);
    closeSync(file);
    return bytes.toString('latin1').match(STATEMENT)?.length ?? 0;
  }
}

function numberIn(info: string, name: string): number {
  return Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
}
