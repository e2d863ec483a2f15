import {
  CONTENDERS,
  type ContenderName,
  type Ground,
  type RunningContender,
  type ServerPlan,
  startContender,
} from './contender.js';
import type { Findings } from './findings.js';
import type { Measure, Trial } from './measures/measure.js';
import { tell } from './progress.js';
import { rowOf } from './rows.js';
import type { Sizes } from './sizes.js';
import { type Account, Stage } from './stage.js';

/** A measure that is being taken of one contender. */
interface Running {
  stage: Stage;
  trial: Trial;
}

/**
 * Takes measures of all contenders side by side. Their servers run at the same time, but only one of them has anything to
 * do: each repetition is taken of one contender after the other, and who is first changes. So a machine that becomes slower
 * meanwhile becomes slower for all.
 */
export class Comparison {
  private readonly servers = new Map<ContenderName, RunningContender>();

  constructor(
    private readonly ground: Ground,
    private readonly plan: ServerPlan,
    private readonly accounts: readonly Account[],
    private readonly sizes: Sizes,
    private readonly findings: Findings,
  ) {}

  async run(measure: Measure): Promise<void> {
    const startMs = performance.now();
    const known = this.findings.values.length;
    const running: Running[] = [];
    for (const name of CONTENDERS) {
      if ((measure.only ?? name) !== name) continue;
      await this.attempt(name, measure, async () => running.push(await this.prepare(name, measure)));
    }
    const repeats = measure.isDoneOnce === true ? 0 : this.sizes.repeats;
    for (let time = 0; time <= repeats; time++) {
      for (const each of turned(running, time)) {
        each.stage.isWarmingUp = repeats > 0 && time === 0;
        const { name } = each.stage.server;
        const isDone = await this.attempt(name, measure, () => each.trial.run());
        if (!isDone) running.splice(running.indexOf(each), 1);
      }
    }
    for (const { trial } of running) trial.end();
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
    tell(`  ${measure.name}, ${seconds} s: ${this.foundSince(known)}`);
  }

  async end(): Promise<void> {
    for (const server of this.servers.values()) await server.stop();
  }

  private async prepare(name: ContenderName, measure: Measure): Promise<Running> {
    const server = this.servers.get(name) ?? (await startContender(this.ground, name, this.plan));
    this.servers.set(name, server);
    const stage = new Stage(server, this.accounts, this.sizes, this.ground.engines.redisUrl, this.findings);
    return { stage, trial: await measure.prepare(stage) };
  }

  /** A server in which something failed is not measured any further: the next measure gets a new one. */
  private async attempt(
    name: ContenderName,
    measure: Measure,
    work: () => Promise<unknown>,
  ): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.findings.faults.push(`${name}, ${measure.name}: ${reason}`);
      await this.servers.get(name)?.stop();
      this.servers.delete(name);
      return false;
    }
  }

  private foundSince(known: number): string {
    const found = this.findings.values.slice(known);
    const rows = [...new Set(found.map(({ row }) => row))];
    return rows
      .map((row) => {
        const values = found.filter((each) => each.row === row);
        const texts = CONTENDERS.map((name) => {
          const own = values.filter(({ contender }) => contender === name);
          return own.map(({ value }) => Number(value.toPrecision(3))).join(' ');
        });
        return `${row} ${texts.join(' | ')} ${rowOf(row).unit}`.trimEnd();
      })
      .join('; ');
  }
}

/** The same list, beginning with another one each time. */
function turned<Item>(items: readonly Item[], by: number): Item[] {
  const first = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(first), ...items.slice(0, first)];
}
