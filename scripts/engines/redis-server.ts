import { mkdirSync } from 'node:fs';
import type { ChildOptions } from '../child-process.js';
import { LaunchError } from '../launch-error.js';
import type { ProcessLedger } from '../process-ledger.js';
import { type EngineProcess, startEngine } from './engine-process.js';
import type { RedisProgram } from './redis-binaries.js';
import { serverFailure } from './redis-probe.js';

export interface RedisOptions {
  program: RedisProgram;
  /** Created when absent; holds the append-only file, if there is one. */
  folder: string;
  logFile: string;
  ledger: ProcessLedger;
  /** Append-only file, flushed every second; otherwise nothing is kept. */
  durable: boolean;
  /** A free port when absent; a restart needs the same one. */
  port?: number;
  /** Further arguments, for a server that is part of a cluster or replication. Not for Docker. */
  settings?: string[];
  /** Makes it a sentinel instead, with this configuration file, which it rewrites. Not for Docker. */
  sentinelFile?: string;
}

/** A master sends its first copy at once instead of waiting five seconds for more replicas. */
export const SYNC_AT_ONCE = ['--repl-diskless-sync-delay', '0'];

const DOCKER_IMAGE = 'redis:7';

export async function startRedis(options: RedisOptions): Promise<EngineProcess> {
  mkdirSync(options.folder, { recursive: true });
  return startEngine({
    name: 'Redis',
    logFile: options.logFile,
    port: options.port,
    command: (port) => command(options, port),
    urlAt: (port) => `redis://127.0.0.1:${port}`,
    failureOf: serverFailure,
  });
}

function command(options: RedisOptions, port: number): ChildOptions {
  const { program, folder, logFile, ledger, durable } = options;
  // An evicted session would sign a user out and an evicted ticket would be a 403: a full Redis must return errors.
  const settings = ['--save', '', '--appendonly', durable ? 'yes' : 'no', '--maxmemory-policy', 'noeviction'];
  const shared = { name: 'redis', command: program.command, logFile, ledger };
  const isPart = options.settings !== undefined || options.sentinelFile !== undefined;
  if (program.kind === 'docker' && isPart) {
    throw new LaunchError(
      'A cluster or sentinels need redis-server or valkey-server on the path, not Docker.',
    );
  }
  if (program.kind === 'docker') {
    // In the foreground: the client passes SIGTERM on, and --rm removes the container when it ends.
    const args = [
      'run',
      '--rm',
      '--publish',
      `127.0.0.1:${port}:6379`,
      DOCKER_IMAGE,
      'redis-server',
      ...settings,
    ];
    return { ...shared, args, env: process.env };
  }
  const env = program.libraryPath === undefined ? process.env : withLibraries(program.libraryPath);
  if (options.sentinelFile !== undefined) {
    const args = [options.sentinelFile, '--port', String(port), '--sentinel'];
    return { ...shared, name: 'redis-sentinel', args, env, cwd: folder };
  }
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, ...settings];
  return { ...shared, args: [...args, ...(options.settings ?? [])], env, cwd: folder };
}

function withLibraries(libraryPath: string): NodeJS.ProcessEnv {
  const given = process.env.LD_LIBRARY_PATH;
  return { ...process.env, LD_LIBRARY_PATH: given ? `${libraryPath}:${given}` : libraryPath };
}
