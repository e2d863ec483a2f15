import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { ProcessLedger } from './process-ledger.js';
import { signalProcess } from './process-ledger.js';

export interface Exit {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  name: string;
  command: string;
  args: string[];
  env: NodeJS.ProcessEnv;
  /** Receives standard output and error, and is kept after the end; without it the child inherits ours. */
  logFile?: string;
  /** Records the process, so that it can be ended after a crash. */
  ledger: ProcessLedger;
  /** The signal for an orderly stop. */
  stopSignal?: NodeJS.Signals;
  cwd?: string;
  uid?: number;
  gid?: number;
}

/** A program that we start and end. */
export interface Child {
  readonly name: string;
  readonly pid: number;
  readonly logFile: string | undefined;
  /** Set once the process has ended. */
  exit: Exit | undefined;
  readonly exited: Promise<Exit>;
  /** Stops it in order, or by SIGKILL after `graceMs`. Resolves when it has ended. */
  stop(graceMs?: number): Promise<Exit>;
  kill(signal: NodeJS.Signals): void;
  logs(): string;
}

/**
 * Starts a program in its own process group: Ctrl-C then reaches only us, and we end the children in order.
 * Output goes straight to the file, so that it survives us and a busy event loop never stalls the child.
 */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { name, command, args, env, logFile, ledger, stopSignal = 'SIGTERM', cwd, uid, gid } = options;
  const log = logFile === undefined ? 'inherit' : openLog(logFile);
  const started = spawn(command, args, { env, cwd, uid, gid, detached: true, stdio: ['ignore', log, log] });
  if (log !== 'inherit') closeSync(log);
  const { pid } = started;
  // Before anything is awaited: if we are killed meanwhile, nobody else knows of it.
  if (pid !== undefined) ledger.record(name, pid, stopSignal);
  await new Promise<void>((resolve, reject) => {
    started.once('spawn', resolve);
    started.once('error', reject);
  });
  if (pid === undefined) throw new Error(`${name} has no pid`);

  const child: Child = {
    name,
    pid,
    logFile,
    exit: undefined,
    exited: new Promise<Exit>((resolve) => {
      started.once('exit', (code, signal) => {
        child.exit = { code, signal };
        resolve(child.exit);
      });
    }),
    stop: async (graceMs = 10_000) => {
      if (child.exit !== undefined) return child.exit;
      signalProcess(pid, stopSignal);
      const insist = setTimeout(() => signalProcess(pid, 'SIGKILL'), graceMs);
      const exit = await child.exited;
      clearTimeout(insist);
      return exit;
    },
    kill: (signal) => {
      if (child.exit === undefined) signalProcess(pid, signal);
    },
    logs: () => (logFile === undefined ? '' : readFileSync(logFile, 'utf8')),
  };
  return child;
}

function openLog(file: string): number {
  mkdirSync(dirname(file), { recursive: true });
  return openSync(file, 'a', 0o600);
}

/** The end of a child's log, for the error that says why it did not start. */
export function logTail(child: Child, lines = 5): string {
  return child.logs().trimEnd().split('\n').slice(-lines).join('\n');
}
