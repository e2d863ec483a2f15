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

  it('names every code of the table that nobody was answered with', () => {
    const reached = ALL.filter((code) => code !== 'draining' && code !== 'internal');
    writeFileSync(join(folder, CODES_FILE), `${reached.join('\n')}\nnot_found\n`);
    expect(unreachedCodes(folder)).toEqual(['draining', 'internal']);
  });

  it('names all of them where no answer was written down', () => {
    expect(unreachedCodes(folder)).toEqual(ALL);
  });
});
