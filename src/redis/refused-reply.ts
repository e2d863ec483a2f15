/** A reply may repeat what was sent: this many characters of it, and of a key, are logged. */
const MAX_LOGGED = 200;

/** What an error reply of Redis means to this server. */
export interface ReplyMeaning {
  /** `server`: no caller is served until it ends. `command`: those of one command, key or channel are not. */
  scope: 'server' | 'command';
  /** True when it lasts until somebody changes the setting, so that a node does not start. */
  isLasting?: true;
  advice: string;
}

const ANOTHER_PROGRAM = 'another program writes our keys: give this one a database or a Redis of its own';
const NO_SUCH_COMMAND =
  'it lacks a command: Redis 6.2 or Valkey is needed, without rename-command, and no proxy that knows only some commands';
const CLUSTER_NODE = 'it is a node of a Redis Cluster: write redis+cluster:// with some of its nodes';
const STALE_REPLICA =
  'it is a replica that has lost its master: write the address of the master, or redis+sentinel:// to follow it';

/**
 * Every error reply that a Redis, a Valkey, a cluster or a sentinel may give to what this server sends, by its first word;
 * for those that begin with `ERR`, by a name of ours. The same table is in docs/operations.md.
 */
export const REPLY_MEANINGS = {
  // It serves nobody for now.
  LOADING: { scope: 'server', advice: 'it is reading its data from disk: wait' },
  BUSY: {
    scope: 'server',
    advice: 'a script of another program occupies it: end that with SCRIPT KILL or FUNCTION KILL',
  },
  MASTERDOWN: { scope: 'server', advice: STALE_REPLICA },
  CLUSTERDOWN: {
    scope: 'server',
    advice: 'a part of the cluster has no master: start it, or let a replica take its place',
  },
  MAXCLIENTS: { scope: 'server', advice: 'it has no room for another connection: raise maxclients' },
  // It reads, but does not write.
  READONLY: {
    scope: 'server',
    advice: 'it is a replica: write the address of the master, or redis+sentinel:// to follow it',
  },
  NOREPLICAS: {
    scope: 'server',
    advice: 'too few of its replicas are connected: start them, or lower min-replicas-to-write',
  },
  MISCONF: {
    scope: 'server',
    advice: 'it cannot save its data: see its log and its disk (stop-writes-on-bgsave-error)',
  },
  OOM: {
    scope: 'server',
    advice: 'its memory is full: raise maxmemory; do not set an eviction policy, which would end sessions',
  },
  // It does not let this server in.
  NOAUTH: { scope: 'server', advice: 'it asks for a password: write it into the URL' },
  WRONGPASS: { scope: 'server', advice: 'the user name or password in the URL is not one of this Redis' },
  DENIED: {
    scope: 'server',
    advice:
      'it is in protected mode: give it a password (requirepass, or ACL SETUSER) and write that into the URL',
  },
  // The URL leads to something else.
  MOVED: { scope: 'server', isLasting: true, advice: CLUSTER_NODE },
  ASK: { scope: 'server', isLasting: true, advice: CLUSTER_NODE },
  NOT_A_CLUSTER: {
    scope: 'server',
    isLasting: true,
    advice: 'it is not a node of a cluster: write redis:// for one server',
  },
  NOT_A_SENTINEL: {
    scope: 'server',
    isLasting: true,
    advice: 'it is not a sentinel: write redis:// for one server, or the ports of the sentinels',
  },
  NO_SUCH_DATABASE: {
    scope: 'server',
    isLasting: true,
    advice:
      'it has no database of the number at the end of the URL: a cluster has only 0, others as many as "databases" says',
  },
  // It refuses a command, a key or a channel.
  NOPERM: {
    scope: 'command',
    advice:
      'the user of the URL lacks an ACL permission: grant it the command, key or channel of the reply (ACL SETUSER)',
  },
  UNKNOWN_COMMAND: { scope: 'command', isLasting: true, advice: NO_SUCH_COMMAND },
  WRONGTYPE: { scope: 'command', advice: ANOTHER_PROGRAM },
  TRYAGAIN: { scope: 'command', advice: 'slots of the cluster are being moved: wait' },
} as const satisfies Record<string, ReplyMeaning>;

type KnownReply = keyof typeof REPLY_MEANINGS;
export type ReplyKind = KnownReply | 'OTHER';

/**
 * `OTHER`: replies to commands that this server never sends (BUSYGROUP, BUSYKEY, CROSSSLOT, EXECABORT, INPROG, IOERR,
 * NOGOODSLAVE, NOGROUP, NOMASTERLINK, NOPROTO, NOQUORUM, NOSCRIPT, NOTBUSY, UNBLOCKED, UNKILLABLE, any other ERR).
 */
const OTHER: ReplyMeaning & { kind: 'OTHER' } = {
  kind: 'OTHER',
  scope: 'command',
  advice:
    'it does not do what this server needs: see its version and configuration, and what stands before it',
};

/** Replies that begin with `ERR`, or that a script of before Redis 7 passes on, by their words. */
const BY_WORDS: readonly [RegExp, KnownReply][] = [
  [/max number of clients/i, 'MAXCLIENTS'],
  [/unknown (sub)?command '?sentinel/i, 'NOT_A_SENTINEL'],
  [/unknown (redis )?(sub)?command/i, 'UNKNOWN_COMMAND'],
  [/cluster support disabled/i, 'NOT_A_CLUSTER'],
  [/DB index is out of range|SELECT is not allowed in cluster/i, 'NO_SUCH_DATABASE'],
  [/user executing the script can't/i, 'NOPERM'],
  [/invalid password/i, 'WRONGPASS'],
  [/operation not permitted/i, 'NOAUTH'],
];

export interface RefusedReply {
  kind: ReplyKind;
  scope: ReplyMeaning['scope'];
  fields: { setting: 'REDIS_URL'; advice: string; command: string; key: string; reply: string };
}

/** The error that the client makes from an error reply. */
interface RedisReplyError extends Error {
  command?: { name: string; args: unknown[] };
}

/** The meaning of a reply; `undefined` for one that is not in the table, and for words such as those of a lost connection. */
export function meaningIn(message: string): (ReplyMeaning & { kind: KnownReply }) | undefined {
  // What a client of sentinels or of a cluster says of the last server that it asked.
  const reply = /Last error: (?:\w+: )?(.*)$/s.exec(message)?.[1] ?? message;
  const [, word = ''] = /^-?([A-Z]{2,})\b/.exec(reply) ?? [];
  const kind = word === 'ERR' ? kindOfError(reply) : known(word);
  return kind === undefined ? undefined : { ...REPLY_MEANINGS[kind], kind };
}

/** Reads an error reply of Redis. Keys hold no secret: a ticket appears there as its digest. */
export function readRefusedReply(error: RedisReplyError): RefusedReply {
  const { message, command } = error;
  const { kind, scope, advice }: ReplyMeaning & { kind: ReplyKind } = meaningIn(message) ?? OTHER;
  const { name = 'unknown', args = [] } = command ?? {};
  // The first arguments of EVAL and EVALSHA are the script and the number of keys.
  const key = /^eval/i.test(name) ? args[2] : args[0];
  return {
    kind,
    scope,
    fields: {
      setting: 'REDIS_URL',
      advice,
      command: name,
      key: typeof key === 'string' ? key.slice(0, MAX_LOGGED) : '',
      reply: message.slice(0, MAX_LOGGED),
    },
  };
}

function kindOfError(reply: string): KnownReply | undefined {
  const byWords = BY_WORDS.find(([words]) => words.test(reply))?.[1];
  if (byWords !== undefined) return byWords;
  // Before Redis 7 the reply to a script has that of the command inside: "ERR Error running script (...): -OOM command ...".
  const [, passedOn = ''] = /: -([A-Z]{2,}) /.exec(reply) ?? [];
  return known(passedOn);
}

function known(word: string): KnownReply | undefined {
  return word in REPLY_MEANINGS ? (word as KnownReply) : undefined;
}
