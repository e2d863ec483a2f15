import { describe, expect, it } from '@jest/globals';
import { meaningIn, readRefusedReply, REPLY_MEANINGS } from './refused-reply.js';

const read = (message: string, name = 'getdel', args: unknown[] = ['ws_ticket:1']) =>
  readRefusedReply(Object.assign(new Error(message), { command: { name, args } }));

describe('an error reply of Redis', () => {
  it.each([
    ["NOPERM this user has no permissions to run the 'getdel' command", 'NOPERM', /ACL/],
    ['NOAUTH Authentication required.', 'NOAUTH', /password/],
    ['WRONGPASS invalid username-password pair', 'WRONGPASS', /password/],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'WRONGTYPE', /database/],
    ['ERR Error running script (call to f_1): @user_script:1: -NOPERM no rights', 'NOPERM', /ACL/],
    [
      "ERR Error running script (call to f_1): @user_script:2: @user_script: 2: -OOM command not allowed when used memory > 'maxmemory'.",
      'OOM',
      /maxmemory/,
    ],
    ["ERR The user executing the script can't run this command or subcommand", 'NOPERM', /ACL/],
    ["ERR unknown command 'GETDEL'", 'UNKNOWN_COMMAND', /6\.2/],
    ['ERR Unknown Redis command called from script script: 1, on @user_script:1.', 'UNKNOWN_COMMAND', /6\.2/],
    ['ERR max number of clients reached', 'MAXCLIENTS', /maxclients/],
    ['ERR DB index is out of range', 'NO_SUCH_DATABASE', /database/],
    ['ERR SELECT is not allowed in cluster mode', 'NO_SUCH_DATABASE', /database/],
    ['NOREPLICAS Not enough good replicas to write.', 'NOREPLICAS', /min-replicas-to-write/],
    [
      'BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.',
      'BUSY',
      /KILL/,
    ],
    ['BUSYKEY Target key name already exists.', 'OTHER', /version/],
    ['CROSSSLOT Keys in request do not hash to the same slot', 'OTHER', /version/],
    ['ERR value is not an integer or out of range', 'OTHER', /version/],
  ])('%s is recognised and leads to the setting that fixes it', (message, kind, advice) => {
    const refused = read(message);
    expect(refused).toMatchObject({
      kind,
      fields: { setting: 'REDIS_URL', command: 'getdel', key: 'ws_ticket:1' },
    });
    expect(refused.fields.advice).toMatch(advice);
  });

  it('concerns all callers when it is about the server, and those of one command when it is not', () => {
    for (const kind of [
      'LOADING',
      'BUSY',
      'READONLY',
      'NOREPLICAS',
      'MISCONF',
      'OOM',
      'CLUSTERDOWN',
      'MASTERDOWN',
    ])
      expect([kind, read(`${kind} for some reason`).scope]).toEqual([kind, 'server']);
    for (const kind of ['NOPERM', 'WRONGTYPE', 'TRYAGAIN', 'EXECABORT', 'NOTBUSY', 'UNBLOCKED'])
      expect([kind, read(`${kind} for some reason`).scope]).toEqual([kind, 'command']);
  });

  it('is known by its first word alone, and not by a word that a key or an argument has', () => {
    expect(read("ERR unknown command 'MOVED', with args beginning with: 'NOAUTH'").kind).toBe(
      'UNKNOWN_COMMAND',
    );
    expect(read('OOM command not allowed, READONLY').kind).toBe('OOM');
  });

  it('is found in what a client says of the last server that it asked', () => {
    expect(
      meaningIn('Failed to refresh slots cache. Last error: ERR This instance has cluster support disabled')
        ?.kind,
    ).toBe('NOT_A_CLUSTER');
    expect(
      meaningIn("All sentinels are unreachable. Last error: ERR unknown command 'sentinel', with args")?.kind,
    ).toBe('NOT_A_SENTINEL');
  });

  it.each([
    'connect ECONNREFUSED 127.0.0.1:6379',
    'write EPIPE',
    'Connection is closed.',
    'self-signed certificate',
  ])('is not what %s is', (message) => expect(meaningIn(message)).toBeUndefined());

  it('is logged with the key of a script, not its digest, and truncated', () => {
    const { fields } = read(`WRONGTYPE ${'x'.repeat(1000)}`, 'evalsha', ['sha', 1, 'connection_index:1']);
    expect(fields.key).toBe('connection_index:1');
    expect(fields.reply).toHaveLength(200);
  });

  it('has an advice in one line, whatever it is', () => {
    for (const { advice } of Object.values(REPLY_MEANINGS)) expect(advice).toMatch(/^\S[^\n]{10,160}$/);
  });
});
