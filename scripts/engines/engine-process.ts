import { setTimeout as wait } from 'node:timers/promises';
import { type Child, type ChildOptions, logTail, startChild } from '../child-process.js';
import { freePort } from '../free-port.js';
import { LaunchError } from '../launch-error.js';

/** A Postgres or Redis that we start and end. */
export interface EngineProcess {
  /** For Postgres the URL of its `postgres` database; others are `databaseUrl(url, name)`. */
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Clients are disconnected; no persistent data is lost. */
  stop(): Promise<void>;
  kill(signal: NodeJS.Signals): void;
}

export interface EngineLaunch {
  /** Name in messages. */
  name: string;
  logFile: string;
  /** A free port when absent; a restart needs the same one. */
  port: number | undefined;
  command: (port: number) => ChildOptions;
  urlAt: (port: number) => string;
  /** Why the engine cannot be used; undefined when it can. */
  failureOf: (url: string) => Promise<string | undefined>;
}

const READY_LIMIT_MS = 60_000;
const ASK_INTERVAL_MS = 10;
const PORT_ATTEMPTS = 3;

/** Starts an engine and waits until it serves; tries another free port when the first one was taken meanwhile. */
export async function startEngine(launch: EngineLaunch): Promise<EngineProcess> {
  for (let attempt = 1; ; attempt++) {
    const port = launch.port ?? (await freePort());
    const child = await startChild(launch.command(port));
    const url = launch.urlAt(port);
    if (await serves(launch, url, child)) {
      const stop = async (): Promise<void> => void (await child.stop());
      return { url, port, pid: child.pid, stop, kill: (signal) => child.kill(signal) };
    }
    const reason = logTail(child);
    if (!reason.includes('in use') || launch.port !== undefined || attempt === PORT_ATTEMPTS) {
      throw new LaunchError(
        `${launch.name} ended while starting; its log ${launch.logFile} ends with:\n${reason}`,
      );
    }
  }
}

/** True once it serves, false when it has ended before that. */
async function serves({ name, failureOf }: EngineLaunch, url: string, child: Child): Promise<boolean> {
  const deadline = Date.now() + READY_LIMIT_MS;
  while (child.exit === undefined) {
    const failure = await failureOf(url);
    if (failure === undefined) return true;
    if (Date.now() > deadline) {
      await child.stop();
      throw new LaunchError(`${name} did not answer within ${READY_LIMIT_MS / 1000} s: ${failure}`);
    }
    await wait(ASK_INTERVAL_MS);
  }
  return false;
}
