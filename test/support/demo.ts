import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startChild } from '../../scripts/child-process.js';
import type { Child, Exit } from '../../scripts/child-process.js';
import { ProcessLedger } from '../../scripts/process-ledger.js';
import { PROJECT_ROOT } from '../../scripts/project.js';
import { currentRun, runLedger } from '../../scripts/testing/test-run.js';
import { logFile } from './engines.js';
import { eventually } from './waiting.js';

/** `.admit-one/demo.json`, which other programs read. */
export interface DemoFacts {
  front: { port: number };
  nodes: { name: string; pid: number; port: number }[];
  postgres: { url: string; pid?: number };
  redis: { url: string; pid?: number };
}

export interface RunningDemo {
  readonly child: Child;
  readonly output: () => string;
  /** Waits for the announcement, then reads demo.json. */
  ready(): Promise<DemoFacts>;
  stop(): Promise<Exit>;
}

const READY_LIMIT_MS = 50_000;

/** A folder in which demos can be started as in the checkout: it gets the `.admit-one/`. */
export class DemoFolder {
  readonly path = join(currentRun().data, `demo-${randomBytes(3).toString('hex')}`);
  readonly ledger = new ProcessLedger(join(this.path, '.admit-one', 'processes.jsonl'));

  constructor() {
    mkdirSync(this.path);
  }

  get factsFile(): string {
    return join(this.path, '.admit-one', 'demo.json');
  }

  async start(args: string[], env: Record<string, string>): Promise<RunningDemo> {
    const name = `demo-${randomBytes(3).toString('hex')}`;
    const child = await startChild({
      name,
      command: process.execPath,
      args: [join(PROJECT_ROOT, 'dist', 'scripts', 'demo', 'demo.js'), ...args],
      env: { HOME: process.env.HOME, ...redisOnPath(), ...env },
      logFile: logFile(name),
      ledger: runLedger(currentRun().folder),
      cwd: this.path,
    });
    return {
      child,
      output: () => child.logs(),
      ready: async () => {
        await eventually(
          () => announced(child),
          `the announcement of ${name}; see ${child.logFile}`,
          READY_LIMIT_MS,
        );
        return JSON.parse(readFileSync(this.factsFile, 'utf8')) as DemoFacts;
      },
      stop: () => child.stop(30_000),
    };
  }

  /** Ends the processes of a killed demo, and keeps the logs where the search for credentials finds them. */
  async clear(): Promise<void> {
    await this.ledger.endAll(2_000);
    const logs = join(this.path, '.admit-one', 'logs');
    if (existsSync(logs)) cpSync(logs, dirname(logFile('any')), { recursive: true });
  }
}

function announced(child: Child): boolean {
  if (child.exit !== undefined) throw new Error(`the demo ended while starting: ${child.logs()}`);
  return child.logs().includes('Admit One is ready');
}

/** Puts the run's private copy of Redis, if it has one, on the PATH, so that it is not fetched again. */
function redisOnPath(): Record<string, string> {
  const { redis } = currentRun();
  const path = process.env.PATH ?? '';
  if (redis.kind === 'docker' || redis.libraryPath === undefined) return { PATH: path };
  return { PATH: `${dirname(redis.command)}:${path}`, LD_LIBRARY_PATH: redis.libraryPath };
}
