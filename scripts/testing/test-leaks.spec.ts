import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { searchLeaks } from './test-leaks.js';

const TICKET = 'q3o8Zk1vT0y5-XW_7uJ2nL4mB6cD8eF0gH1iJ3kL5mN';
const SIGNATURE = 'c2lnbmF0dXJlLW9mLXRoZS10b2tlbg';

describe('searchLeaks', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'leaks-'));
    mkdirSync(join(folder, 'file'));
    writeFileSync(
      join(folder, 'secrets.txt'),
      `${TICKET}\neyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${SIGNATURE}\n`,
    );
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('reports file and line of a ticket in a URL', () => {
    const log = join(folder, 'file', 'node.log');
    writeFileSync(log, `{"event":"start"}\n{"url":"/ws?ticket=${TICKET}&x=1"}\n`);
    expect(searchLeaks(folder).leaks).toEqual([`${log}:2`]);
  });

  it('finds a token behind a "Bearer." prefix', () => {
    const log = join(folder, 'file', 'node.log');
    writeFileSync(log, `Bearer.eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.${SIGNATURE}`);
    expect(searchLeaks(folder).leaks).toEqual([`${log}:1`]);
  });

  it('finds nothing in a log without credentials', () => {
    writeFileSync(join(folder, 'file', 'node.log'), '{"ticketId":"tkt_q3o8Zk1vT0y5"}\n');
    expect(searchLeaks(folder)).toEqual({ secrets: 2, logs: 1, leaks: [] });
  });
});
