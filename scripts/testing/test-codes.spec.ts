import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ERRORS } from '../../protocol/errors.js';
import { CODES_FILE, unreachedCodes } from './test-codes.js';

const ALL = Object.keys(ERRORS);

describe('unreachedCodes', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'codes-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  it('lists every code of the table that no answer carried', () => {
    const reached = ALL.filter((code) => code !== 'draining' && code !== 'internal');
    writeFileSync(join(folder, CODES_FILE), `${reached.join('\n')}\nnot_found\n`);
    expect(unreachedCodes(folder)).toEqual(['draining', 'internal']);
  });

  it('lists all codes when no answer was recorded', () => {
    expect(unreachedCodes(folder)).toEqual(ALL);
  });
});
