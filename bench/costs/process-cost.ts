import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as wait } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { LaunchError } from '../../scripts/launch-error.js';

const LOOK_EVERY_MS = 100;
/** CPU time of all processes together between two looks. A node at rest uses less. */
const IDLE_MS = 4;
const IDLE_LOOKS = 2;
const IDLE_LIMIT_MS = 10_000;

/** @throws {LaunchError} where the system does not account for the CPU time of threads */
export function requireAccounting(): void {
  if (existsSync('/proc/self/schedstat')) return;
  throw new LaunchError('This program needs Linux: it reads CPU times from /proc/PID/task/*/schedstat.');
}

/**
 * CPU time that processes have used so far, in milliseconds: that of all their threads, so that a garbage collection
 * beside the main thread counts. Waiting for a busy core does not count. proc(5): the first number is in nanoseconds.
 */
export function cpuMs(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids) {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
    }
  }
  return nanoseconds / 1e6;
}

/** CPU time that a Redis has used so far, in milliseconds. */
export async function redisCpuMs(url: string): Promise<number> {
  const client = new Redis(url);
  try {
    const told = await client.info('cpu');
    const seconds = (name: string) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(told)?.[1]);
    return (seconds('used_cpu_user') + seconds('used_cpu_sys')) * 1000;
  } finally {
    client.disconnect();
  }
}

/** Resident memory in KiB. */
export function residentKiB(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]);
}

/** Waits until processes have nothing left to do, so that what they do afterwards is counted as well. */
export async function untilIdle(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + IDLE_LIMIT_MS;
  let quiet = 0;
  for (let before = cpuMs(pids); quiet < IDLE_LOOKS && performance.now() < deadline;) {
    await wait(LOOK_EVERY_MS);
    const now = cpuMs(pids);
    quiet = now - before < IDLE_MS * pids.length ? quiet + 1 : 0;
    before = now;
  }
}
