import { execFileSync } from 'node:child_process';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

/** A process that we started, written down the moment it runs, so that a later start can end what a crash left. */
export interface LedgerEntry {
  name: string;
  pid: number;
  /** When the process started: a pid alone may belong to somebody else by now. */
  identity: string;
  /** What makes it stop in order. */
  signal: NodeJS.Signals;
}

const POLL_MS = 20;

/** Tells one process from all others that had or will have its pid; undefined when it has ended. */
export function processIdentity(pid: number): string | undefined {
  if (existsSync('/proc/self/stat')) return linuxIdentity(pid);
  try {
    const started = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return started === '' ? undefined : started;
  } catch {
    // ps answers 1 for a pid that is not there.
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
  // proc(5): "pid (comm) state …"; comm may hold blanks and brackets, starttime is field 22. A zombie (Z) has ended.
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

  /** The recorded processes that still run, but for this one, in the order in which they were started. */
  living(): LedgerEntry[] {
    const others = this.read().filter((entry) => entry.pid !== process.pid);
    return others.filter((entry) => processIdentity(entry.pid) === entry.identity);
  }

  /** Ends what still runs, last started first, and forgets everything. Answers what it had to end. */
  async endAll(graceMs: number): Promise<LedgerEntry[]> {
    const ended: LedgerEntry[] = [];
    // What we wait for may be starting something itself: look again until there is nothing.
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
    // The last line may have been cut by the crash that makes us read it.
    return [];
  }
}

/** Asks with the entry's own signal, then insists. */
export async function endProcess(entry: LedgerEntry, graceMs: number): Promise<void> {
  signalProcess(entry.pid, entry.signal);
  if (await hasEnded(entry, graceMs)) return;
  // A stopped process (SIGSTOP, as in fault tests) obeys nothing but SIGKILL.
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

/** False when there is no such process any more. */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw error;
  }
}
