import { closeSync, existsSync, openSync, readSync, statSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { logTail, startChild } from './child-process.js';
import type { Child } from './child-process.js';
import { LaunchError } from './launch-error.js';
import type { ProcessLedger } from './process-ledger.js';
import { SERVER_ENTRY } from './project.js';

export interface ServerOptions {
  name: string;
  /** All settings of the node; `PORT=0` lets it choose a port. */
  env: NodeJS.ProcessEnv;
  /** Arguments of Node itself. */
  nodeArgs?: string[];
  logFile: string;
  ledger: ProcessLedger;
  /** Path of another build. */
  entry?: string;
  /** A program and its arguments that starts Node and then is Node, such as `taskset`. */
  launcher?: readonly string[];
}

/** A running copy of the built server. */
export interface ServerProcess {
  readonly child: Child;
  readonly port: number;
}

const READY_LIMIT_MS = 60_000;
const READY_EVENT = 'server.listening';

/** Starts a node and waits until it logs that it listens. */
export async function startServer(options: ServerOptions): Promise<ServerProcess> {
  const { name, env, nodeArgs = [], logFile, ledger, entry = SERVER_ENTRY, launcher = [] } = options;
  if (!existsSync(entry)) throw new LaunchError(`${entry} is missing: run npm run build.`);
  const logStart = existsSync(logFile) ? statSync(logFile).size : 0;
  const settings = { ...env, NODE_NAME: name };
  const [command = '', ...before] = [...launcher, process.execPath];
  const child = await startChild({
    name,
    command,
    args: [...before, ...nodeArgs, entry],
    env: settings,
    logFile,
    ledger,
  });
  const deadline = Date.now() + READY_LIMIT_MS;
  for (;;) {
    const port = listeningPort(logFile, logStart);
    if (port !== undefined) return { child, port };
    if (child.exit !== undefined) {
      throw new LaunchError(
        `Node ${name} ended while starting; its log ${logFile} ends with:\n${logTail(child)}`,
      );
    }
    if (Date.now() > deadline) {
      await child.stop(0);
      throw new LaunchError(
        `Node ${name} did not say ${READY_EVENT} within ${READY_LIMIT_MS / 1000} s; see ${logFile}`,
      );
    }
    await wait(20);
  }
}

/** The port from the node's log, once the line is complete. */
function listeningPort(logFile: string, from: number): number | undefined {
  for (const line of readFrom(logFile, from).split('\n')) {
    if (!line.includes(`"${READY_EVENT}"`) || !line.endsWith('}')) continue;
    const entry = JSON.parse(line) as { event?: unknown; port?: unknown };
    if (entry.event === READY_EVENT && typeof entry.port === 'number') return entry.port;
  }
  return undefined;
}

function readFrom(file: string, from: number): string {
  const length = statSync(file).size - from;
  if (length <= 0) return '';
  const buffer = Buffer.alloc(length);
  const descriptor = openSync(file, 'r');
  const read = readSync(descriptor, buffer, 0, length, from);
  closeSync(descriptor);
  return buffer.toString('utf8', 0, read);
}
