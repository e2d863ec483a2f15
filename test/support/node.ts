import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Exit } from '../../scripts/child-process.js';
import { startServer } from '../../scripts/server-process.js';
import { COVERAGE_VARIABLE, currentRun, runLedger } from '../../scripts/testing/test-run.js';
import { WITNESS_FOLDER } from '../../scripts/testing/test-witness.js';
import { logFile } from './engines.js';

/** The address of a node, or of a proxy in front of nodes. */
export interface NodeAddress {
  readonly port: number;
  /** `http://127.0.0.1:<port>`, also its origin. */
  readonly url: string;
  /** `ws://127.0.0.1:<port>`. */
  readonly wsUrl: string;
}

/** The built server as a real process. */
export interface TestNode extends NodeAddress {
  readonly name: string;
  readonly pid: number;
  /** Everything that it has written so far. */
  logs(): string;
  /** Log lines of one event, parsed. */
  logged(event: string): Record<string, unknown>[];
  readonly exited: Promise<Exit>;
  /** SIGTERM: the node drains; returns how it ended. */
  stop(): Promise<Exit>;
  /** SIGKILL. */
  kill(): Promise<Exit>;
  signal(signal: NodeJS.Signals): void;
}

/** An origin that every test node allows; browsers send it, other clients need not. */
export const TEST_ORIGIN = 'http://localhost:5173';

const STOP_LIMIT_MS = 30_000;

/** High limits: a test that is about a limit sets it. */
const TEST_SETTINGS = {
  HOST: '127.0.0.1',
  REGISTRATION: 'open',
  DRAIN_SECONDS: '1',
  LIMIT_REQUESTS_PER_ADDRESS_PER_MINUTE: '1000000',
  LIMIT_UPGRADES_PER_ADDRESS_PER_MINUTE: '1000000',
  LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: '1000000',
  LIMIT_TICKETS_PER_USER_PER_MINUTE: '1000000',
  LIMIT_TICKETS_OUTSTANDING_PER_USER: '1000000',
  LIMIT_MESSAGES_PER_USER_PER_MINUTE: '1000000',
};

export interface NodeOptions {
  name?: string;
  /** Must hold DATABASE_URL, REDIS_URL and JWT_SECRET; overrides the test settings. */
  env: Record<string, string>;
  /** Another build of the server than ours. */
  serverEntry?: string;
  /** By how much its clock is ahead of ours, in milliseconds; SIGUSR2 sets it right. */
  clockShiftMs?: number;
}

/**
 * Starts a node. Of our own environment it gets only PATH, HOME and, when coverage is measured, the folder in which it
 * writes its coverage when it exits.
 */
export async function startNode({
  name = 'node',
  env,
  serverEntry,
  clockShiftMs,
}: NodeOptions): Promise<TestNode> {
  const unique = `${name}-${randomBytes(3).toString('hex')}`;
  const { PATH = '', HOME = '/', [COVERAGE_VARIABLE]: coverage } = process.env;
  const own = { PATH, HOME, PORT: '0', ...(coverage !== undefined && { NODE_V8_COVERAGE: coverage }) };
  const { child, port } = await startServer({
    name: unique,
    env: { ...own, ...TEST_SETTINGS, ...env },
    nodeArgs: ['--import', witness(unique), ...shiftedClock(clockShiftMs)],
    logFile: logFile(unique),
    ledger: runLedger(currentRun().folder),
    ...(serverEntry !== undefined && { entry: serverEntry }),
  });
  return {
    name: unique,
    ...addressOf(port),
    pid: child.pid,
    logs: () => child.logs(),
    logged: (event) => linesOf(child.logs(), event),
    exited: child.exited,
    stop: () => child.stop(STOP_LIMIT_MS),
    kill: () => {
      child.kill('SIGKILL');
      return child.exited;
    },
    signal: (signal) => child.kill(signal),
  };
}

/** URL from which Node loads the witness; its query names the file in which the witness writes. */
function witness(name: string): string {
  const folder = join(currentRun().folder, WITNESS_FOLDER);
  mkdirSync(folder, { recursive: true });
  const url = pathToFileURL(join(import.meta.dirname, 'witness.mjs'));
  url.searchParams.set('into', join(folder, `${name}.jsonl`));
  return url.href;
}

function shiftedClock(byMs: number | undefined): string[] {
  if (byMs === undefined) return [];
  const url = pathToFileURL(join(import.meta.dirname, 'shifted-clock.mjs'));
  url.searchParams.set('by', String(byMs));
  return ['--import', url.href];
}

export function addressOf(port: number): NodeAddress {
  return { port, url: `http://127.0.0.1:${port}`, wsUrl: `ws://127.0.0.1:${port}` };
}

function linesOf(logs: string, event: string): Record<string, unknown>[] {
  const lines = logs.split('\n').filter((line) => line.startsWith('{') && line.endsWith('}'));
  return lines
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter((line) => line.event === event);
}
