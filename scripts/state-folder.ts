import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The ignored folder that holds everything that the launchers keep: engines, data, logs, secrets. */
export class StateFolder {
  readonly path: string;

  constructor(parent: string) {
    this.path = join(parent, '.admit-one');
    mkdirSync(this.path, { recursive: true });
  }

  in(...names: string[]): string {
    return join(this.path, ...names);
  }

  /** Removes everything except one file. */
  empty(kept: string): void {
    const entries = readdirSync(this.path).map((name) => this.in(name));
    for (const entry of entries) if (entry !== kept) rmSync(entry, { recursive: true, force: true });
  }

  /** Created once, then kept, so that tokens survive a restart of the demo. 64 hexadecimal characters. */
  secret(name: string): string {
    const file = this.in(name);
    if (existsSync(file)) return readFileSync(file, 'utf8').trim();
    const value = randomBytes(32).toString('hex');
    writeFileSync(file, `${value}\n`, { mode: 0o600 });
    chmodSync(file, 0o600);
    return value;
  }
}
