/**
 * Every Redis key and channel, and how long each lives. Nothing else in `src` spells a key.
 * The ids inside are UUIDs, digests and `tkt_…`/`con_…` names, so no part can contain a separator.
 */
export const redisKeys = {
  /** JSON of a session. Life: `SESSION_TTL_SECONDS`, sliding. */
  session: (userId: string, sessionId: string) => `chat_session:${userId}:${sessionId}`,
  /** Sorted set of a user's session ids by the end of their life (ms). Life: that of the longest session. */
  sessionsOfUser: (userId: string) => `session_index:${userId}`,
  /** Sorted set of digests: valid refresh token (0) and used ones by time (ms). Life: `SESSION_MAX_SECONDS`. */
  sessionRefresh: (userId: string, sessionId: string) => `session_refresh:${userId}:${sessionId}`,
  /** User id of a session, to find it by session id. Life: `SESSION_MAX_SECONDS`. */
  sessionOwner: (sessionId: string) => `session_owner:${sessionId}`,
  /** JSON of the session that an old token was exchanged for: see `auth/legacy/`. Life: that of the token. */
  sessionConversion: (digest: string) => `session_conversion:${digest}`,
  /** Why a session was ended. Life: 1 h. */
  sessionEnd: (userId: string, sessionId: string) => `session_end:${userId}:${sessionId}`,
  /** JSON of a ticket's claims. Life: `WS_TICKET_TTL_SECONDS`. */
  ticket: (digest: string) => `ws_ticket:${digest}`,
  /** JSON of a receipt. Life: 300 s. */
  receipt: (ticketId: string) => `ws_ticket_receipt:${ticketId}`,
  /** Sorted set of the tickets of a user that were not used at once, by expiry (ms). Life: 3 min after the last. */
  ticketsOfUser: (userId: string) => `ticket_index:${userId}`,
  /** Sorted set of a share of the unused tickets by expiry (ms): see `ticket/`. Life: 1 h after the last. */
  ticketExpiry: (shard: number) => `ticket_expiry:${shard}`,
  /** Sorted set of `session|client|connection|node` of a user by when it opened (ms). Life: `SESSION_MAX_SECONDS`. */
  connectionsOfUser: (userId: string) => `connection_index:${userId}`,
  /** Hash of the open connections of a node, for administrators: JSON by id. Life: 60 s, renewed by the node. */
  connectionsOfNode: (nodeId: string) => `connection_list:${nodeId}`,
  /** What a node writes and takes back each second, to see that it can. Life: 60 s. */
  nodeProbe: (part: number) => `node_probe:${part}`,
  /** Sorted set of the live nodes by the time of their last beat (ms, clock of Redis). Life: 5 s. */
  nodes: () => 'node_list',
  /** Text that a run has written so far, as a string. Life: 24 h, and 60 s after its end. */
  runCheckpoint: (runId: string) => `run_checkpoint:${runId}`,
  /** JSON of the last `run.progress` of a run without text yet. Life: 6 s. */
  runProgress: (runId: string) => `run_progress:${runId}`,
  /** Hash: how often and when last each way to sign in was used. Life: 400 days after the last use. */
  authUsage: () => 'node_auth_usage',
  /** Hash of the flags that administrators have set: JSON by name. Never expires; as many fields as there are flags. */
  flags: () => 'node_flags',
  /** Sorted set of digests of the devices that have signed in to an account, by time (ms); 20 at most. Life: 90 days. */
  userDevices: (accountDigest: string) => `user_devices:${accountDigest}`,
  /** Prefix of the counters of a limit; a key per subject. Life: one window. */
  limit: (subject: 'address' | 'user', name: string) =>
    `${subject === 'user' ? 'user' : 'connection'}_limit_${name}`,
} as const;

export const redisChannels = {
  /** Frames for the sockets of one conversation: see `websocket/fan-out/fan-out.service.ts`. */
  conversation: (conversationId: string) => `conversation:${conversationId}`,
  /** Connections that were replaced by a newer one of the same session and client. */
  connectionReplaced: 'connection:replaced',
  /** Sessions that ended, for every node to close their sockets. */
  sessionEnded: 'session:ended',
  /** Sessions whose role changed, for every node to close their sockets. */
  sessionChanged: 'session:changed',
  /** Connections that an administrator ends, for the node that holds them. */
  connectionEnded: 'connection:ended',
  /** Nobody listens: a node publishes here to see that it can. */
  nodeProbe: 'node:probe',
  /** A flag was set. */
  flagsChanged: 'node:flags_changed',
  /** Runs to stop, for the node that writes them. */
  runCancel: 'run:cancel',
  /** Runs that were queued, for any node to take. */
  runQueued: 'run:queued',
} as const;
