/** A reply may repeat what was sent: this many characters of it, and of a key, are logged. */
const MAX_LOGGED = 200;

/** Why a Redis answers our commands with an error, and which setting fixes it. */
const ADVICE: Readonly<Record<string, string>> = {
  NOPERM:
    'the user of REDIS_URL lacks an ACL permission: grant it the command, key or channel of the reply (ACL SETUSER)',
  NOAUTH: 'REDIS_URL lacks the password that this Redis asks for',
  WRONGPASS: 'the user name or password in REDIS_URL is not one of this Redis',
  WRONGTYPE: 'another program writes our keys: give this one a database or a Redis of its own in REDIS_URL',
};
const UNKNOWN_ADVICE =
  'the Redis of REDIS_URL does not do what this server needs: see its version and configuration';

export interface RefusedReply {
  /** First word of the reply, or of the error that a script passed on. */
  kind: string;
  fields: { setting: 'REDIS_URL'; advice: string; command: string; key: string; reply: string };
}

/** The error that the client makes from an error reply. */
interface RedisReplyError extends Error {
  command?: { name: string; args: unknown[] };
}

/** Advice for a connection that Redis refuses; undefined for one that was merely lost. */
export function adviceFor(message: string): { setting?: 'REDIS_URL'; advice?: string } {
  const advice = ADVICE[kindIn(message) ?? ''];
  return advice === undefined ? {} : { setting: 'REDIS_URL', advice };
}

/** Reads an error reply of Redis. Keys hold no secret: a ticket appears there as its digest. */
export function readRefusedReply(error: RedisReplyError): RefusedReply {
  const { message, command } = error;
  const kind = kindIn(message) ?? /^[A-Z]+/.exec(message)?.[0] ?? 'ERR';
  const { name = 'unknown', args = [] } = command ?? {};
  // The first arguments of EVAL and EVALSHA are the script and the number of keys.
  const key = /^eval/i.test(name) ? args[2] : args[0];
  return {
    kind,
    fields: {
      setting: 'REDIS_URL',
      advice: ADVICE[kind] ?? UNKNOWN_ADVICE,
      command: name,
      key: typeof key === 'string' ? key.slice(0, MAX_LOGGED) : '',
      reply: message.slice(0, MAX_LOGGED),
    },
  };
}

function kindIn(message: string): string | undefined {
  return Object.keys(ADVICE).find((word) => message.includes(word));
}
