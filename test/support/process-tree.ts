import { readFileSync } from 'node:fs';

/**
 * Signals a process and its children, while the process cannot start more of them: a Postgres whose first process is
 * gone or frozen would still serve its open connections.
 */
export function signalTree(pid: number, signal: NodeJS.Signals): void {
  process.kill(pid, 'SIGSTOP');
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  for (const child of children.split(' ').filter(Boolean)) process.kill(Number(child), signal);
  process.kill(pid, signal);
}
