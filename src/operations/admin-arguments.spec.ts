import { describe, expect, it } from '@jest/globals';
import { readAdminArguments } from './admin-arguments.js';

const read = (line: string) => readAdminArguments(line.split(' ').filter((word) => word !== ''));

describe('the command line of npm run admin', () => {
  it.each([
    ['list', { name: 'list' }],
    ['--help', { name: 'help' }],
    ['-h', { name: 'help' }],
    ['help', { name: 'help' }],
    ['disable --help', { name: 'help' }],
    ['create-admin a@example.test', { name: 'create-admin', email: 'a@example.test' }],
    ['disable a@example.test', { name: 'disable', email: 'a@example.test' }],
    ['enable a@example.test', { name: 'enable', email: 'a@example.test' }],
    ['revoke a@example.test', { name: 'revoke', email: 'a@example.test' }],
    ['set-role a@example.test user', { name: 'set-role', email: 'a@example.test', role: 'user' }],
    ['set-role a@example.test admin', { name: 'set-role', email: 'a@example.test', role: 'admin' }],
  ])('reads "%s"', (line, command) => {
    expect(read(line)).toEqual(command);
  });

  it.each([
    ['', 'expected a command (create-admin, set-role, disable, enable, revoke, list), got nothing'],
    ['create', 'got "create"'],
    ['constructor', 'got "constructor"'],
    ['create-admin', 'expected "create-admin <address>", got 0 parameters after create-admin'],
    ['create-admin a@example.test secret', 'got 2 parameters after create-admin'],
    ['create-admin nobody', 'expected an e-mail address of at most 254 characters'],
    ['disable x@y', 'such as you@example.com, got "x@y"'],
    [`revoke ${'a'.repeat(250)}@example.test`, 'of at most 254 characters'],
    ['set-role a@example.test', 'expected "set-role <address> <user|admin>", got 1 parameters'],
    ['set-role a@example.test root', 'expected the role user or admin, got "root"'],
    ['list all', 'expected "list", got 1 parameters after list'],
    ['list --all', "Unknown option '--all'"],
  ])('refuses "%s"', (line, expected) => {
    expect(() => read(line)).toThrow(expected);
  });
});
