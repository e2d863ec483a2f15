import { readdirSync, readlinkSync } from 'node:fs';

/** Open sockets of a process: those it listens on, those to its engines, and those of its clients. Linux only. */
export function countSockets(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((name) => targetOf(`${folder}/${name}`)?.startsWith('socket:')).length;
}

function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    // It was closed after the folder was read.
    return undefined;
  }
}
