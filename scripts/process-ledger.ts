import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** A process that we started, recorded as soon as it runs, so that a later start can end it after a crash. */
export interface LedgerEntry {
  name: string;
  pid: number;
  /** When the process started: the pid may belong to another process by now. */
  identity: string;
  /** The signal for an orderly stop. */
  signal: NodeJS.Signals;
}

const POLL_MS = 20;

/** Identifies a process among all that ever have its pid; undefined when it has ended. */
export function processIdentity(pid: number): string | undefined {
  if (existsSync('/proc/self/stat')) return linuxIdentity(pid);
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return started === '' ? undefined : started;
  } catch {
    // ps exits with 1 for a pid that does not exist.
    return undefined;
  }
}

function linuxIdentity(pid: number): string | undefined {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // proc(5): "pid (comm) state …"; comm may contain blanks and brackets, starttime is field 22. A zombie (Z) has ended.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  if (fields[0] === 'Z' || fields[0] === 'X') return undefined;
  return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}:${fields[19]}`;
}

export class ProcessLedger {
  constructor(readonly file: string) {}

  record(name: string, pid: number, signal: NodeJS.Signals): void {
    const identity = processIdentity(pid);
    if (identity === undefined) return;
    const entry: LedgerEntry = { name, pid, identity, signal };
    mkdirSync(dirname(this.file), { recursive: true });
    appendFileSync(this.file, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
  }

  /** The recorded processes that still run, except this one, in the order in which they were started. */
  living(): LedgerEntry[] {
    const others = this.read().filter((entry) => entry.pid !== process.pid);
    return others.filter((entry) => processIdentity(entry.pid) === entry.identity);
  }

  /** Ends what still runs, last started first, and forgets everything. Returns what it had to end. */
  async endAll(graceMs: number): Promise<LedgerEntry[]> {
    const ended: LedgerEntry[] = [];
    // A process may start another one before it ends: look again until nothing is left.
    for (let living = this.living(); living.length > 0; living = this.living()) {
      for (const entry of living.reverse()) await endProcess(entry, graceMs);
      ended.push(...living);
    }
    rmSync(this.file, { force: true });
    return ended;
  }

  private read(): LedgerEntry[] {
    if (!existsSync(this.file)) return [];
    return readFileSync(this.file, 'utf8').split('\n').flatMap(parseEntry);
  }
}

function parseEntry(line: string): LedgerEntry[] {
  if (line === '') return [];
  try {
    return [JSON.parse(line) as LedgerEntry];
  } catch {
    // A crash may have cut the last line.
    return [];
  }
}

/** Sends the entry's own signal, then SIGKILL. */
export async function endProcess(entry: LedgerEntry, graceMs: number): Promise<void> {
  signalProcess(entry.pid, entry.signal);
  if (await hasEnded(entry, graceMs)) return;
  // A stopped process (SIGSTOP, as in fault tests) reacts to SIGKILL only.
  signalProcess(entry.pid, 'SIGKILL');
  if (!(await hasEnded(entry, 5_000))) throw new Error(`${entry.name} (pid ${entry.pid}) survives SIGKILL`);
}

async function hasEnded(entry: LedgerEntry, limitMs: number): Promise<boolean> {
  const deadline = Date.now() + limitMs;
  while (processIdentity(entry.pid) === entry.identity) {
    if (Date.now() > deadline) return false;
    await wait(POLL_MS);
  }
  return true;
}

/** False when the process does not exist any more. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
