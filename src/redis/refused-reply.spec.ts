import { describe, expect, it } from '@jest/globals';
import { readRefusedReply } from './refused-reply.js';

const read = (message: string, name: string, args: unknown[]) =>
  readRefusedReply(Object.assign(new Error(message), { command: { name, args } }));

describe('an error reply of Redis', () => {
  it.each([
    ["NOPERM this user has no permissions to run the 'getdel' command", 'NOPERM', /ACL/],
    ['NOAUTH Authentication required.', 'NOAUTH', /password/],
    ['WRONGPASS invalid username-password pair', 'WRONGPASS', /password/],
    ['WRONGTYPE Operation against a key holding the wrong kind of value', 'WRONGTYPE', /database/],
    ['ERR Error running script (call to f_1): @user_script:1: -NOPERM no rights', 'NOPERM', /ACL/],
    ["ERR unknown command 'GETDEL'", 'ERR', /version/],
  ])('%s is recognised and leads to the setting that fixes it', (message, kind, advice) => {
    const refused = read(message, 'getdel', ['ws_ticket:1']);
    expect(refused).toMatchObject({
      kind,
      fields: { setting: 'REDIS_URL', command: 'getdel', key: 'ws_ticket:1' },
    });
    expect(refused.fields.advice).toMatch(advice);
  });

  it('is logged with the key of a script, not its digest, and truncated', () => {
    const { fields } = read(`WRONGTYPE ${'x'.repeat(1000)}`, 'evalsha', ['sha', 1, 'connection_index:1']);
    expect(fields.key).toBe('connection_index:1');
    expect(fields.reply).toHaveLength(200);
  });
});
