import { describe, expect, it } from '@jest/globals';
import { QueryFailedError } from 'typeorm';
import { AppError } from '../errors/app-error.js';
import { refusalIn } from './database-refusal.js';
import { SQLSTATE_MEANINGS, sqlStateOf } from './sqlstate.js';

const failed = (code: string, message = 'no') =>
  new QueryFailedError('SELECT 1', [], Object.assign(new Error(message), { code }));

describe('a SQLSTATE', () => {
  it.each(['08006', '25006', '28P01', '3D000', '53100', '53300', '57014', '57P01', '57P03', '58030'])(
    '%s says that nobody is served',
    (code) => expect(refusalIn(failed(code))?.meaning.scope).toBe('server'),
  );

  it.each(['42501', '42P01', '42703', '55P03', '40001', '40P01', 'XX000', 'XX001', '25P03'])(
    '%s says that one statement is refused',
    (code) => expect(refusalIn(failed(code))?.meaning.scope).toBe('command'),
  );

  it.each(['22021', '22P02', '22P05', '23505', '25001', '25P02', '42601', '54001', 'P0001'])(
    '%s is a fault of this server, or of its caller',
    (code) => expect(refusalIn(failed(code))).toBeUndefined(),
  );

  it.each(['40001', '40P01'])('%s may succeed at once', (code) => {
    expect(refusalIn(failed(code))?.meaning.isRepeatable).toBe(true);
  });

  it.each(['25006', '28P01', '3D000', '3F000', '42501', '42P01', '53100', '53300', '58030', 'XX002'])(
    '%s leads to what an operator can do',
    (code) => expect(refusalIn(failed(code))?.fields.advice).toMatch(/^\S.{10,}/),
  );

  it('54000 is a fault of this server unless no transaction begins any more', () => {
    expect(refusalIn(failed('54000', 'index row size exceeds btree maximum'))).toBeUndefined();
    const wraparound =
      'database is not accepting commands that assign new transaction IDs to avoid wraparound';
    expect(refusalIn(failed('54000', wraparound))?.meaning.scope).toBe('server');
  });

  it('is found in the cause of an error for a client', () => {
    const error = new AppError('dependency_unavailable', { cause: failed('25006') });
    expect(refusalIn(error)?.fields).toMatchObject({ sqlstate: '25006', setting: 'DATABASE_URL' });
  });

  it('is not what a system call fails with', () => {
    for (const code of ['EPIPE', 'EPERM', 'ECONNRESET']) expect(sqlStateOf(failed(code))).toBeUndefined();
  });

  it('or its class is what the table has', () => {
    for (const code of Object.keys(SQLSTATE_MEANINGS)) expect(code).toMatch(/^([0-9A-Z]{2}|[0-9A-Z]{5})$/);
  });
});
