import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ProcessLedger } from './process-ledger.js';

describe('ProcessLedger', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'ledger-'));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it('ends a recorded process that still runs, and forgets it', async () => {
    const file = join(folder, 'running');
    const child = spawn('sleep', ['60']);
    new ProcessLedger(file).record('sleeper', child.pid ?? 0, 'SIGTERM');
    const ended = once(child, 'exit');
    const left = await new ProcessLedger(file).endAll(1_000);
    expect(left.map((entry) => entry.name)).toEqual(['sleeper']);
    expect(await ended).toEqual([null, 'SIGTERM']);
    expect(existsSync(file)).toBe(false);
  });

  it('kills a process that ignores its signal', async () => {
    const file = join(folder, 'stubborn');
    const program = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('deaf')";
    const child = spawn(process.execPath, ['-e', program]);
    await once(child.stdout, 'data');
    new ProcessLedger(file).record('deaf', child.pid ?? 0, 'SIGTERM');
    const ended = once(child, 'exit');
    await new ProcessLedger(file).endAll(50);
    expect(await ended).toEqual([null, 'SIGKILL']);
  });

  it('leaves another process with the recorded pid alone', async () => {
    const file = join(folder, 'stranger');
    const child = spawn('sleep', ['60']);
    const entry = { name: 'ours', pid: child.pid, identity: 'another boot:1', signal: 'SIGTERM' };
    appendFileSync(file, `${JSON.stringify(entry)}\n{"name":"cut`);
    expect(await new ProcessLedger(file).endAll(50)).toEqual([]);
    expect(child.exitCode).toBeNull();
    child.kill();
    await once(child, 'exit');
  });
});
