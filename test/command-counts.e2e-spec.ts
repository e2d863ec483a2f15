import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { hash } from '@node-rs/argon2';
import { type Cluster, startCluster } from './support/cluster.js';
import { type AskedEach, EngineMeter } from './support/engine-meter.js';
import { TestSocket } from './support/socket.js';
import { createConversation, mintTicket, signIn, type TestUser } from './support/user.js';
import { type Chat, ask, endOf } from './chat.support.js';

/**
 * The most that one step may ask of Redis and PostgreSQL: what it asks today, and about one command more, because what a
 * node does once a second cannot be told apart exactly. Everybody runs these paths. A commit that adds a command to one of
 * them raises a number here and says why it is worth it; one that takes a command away lowers the number. `npm run bench`
 * measures what a command costs.
 */
const MOST = {
  // GETEX of the session, SET of the ticket; in batches SET of the receipt, and ZADD, PEXPIRE and ZCOUNT of the lists of
  // unused tickets.
  ticket: { commands: 8, bytesIn: 1700, bytesOut: 600, statements: 1 },
  // A ticket; GETDEL of the ticket, GET of the session, a script with ZRANGE, ZADD and PEXPIRE that counts the
  // connection, and a second SET of the receipt. On a slow machine tickets wait long enough to get into the lists.
  connect: { commands: 15, bytesIn: 3000, bytesOut: 1600, statements: 1 },
  // Five PUBLISH: the question, the run that waits for a node, its start, a piece of text, its end. GET, SET and EXPIRE of
  // the checkpoint. Statements: the question, the turns before it, the start, the end, and shares of claims.
  message: { commands: 10, bytesIn: 3000, bytesOut: 3200, statements: 6 },
  // APPEND to the checkpoint and PUBLISH.
  delta: { commands: 2.5, bytesIn: 650, bytesOut: 650, statements: 0.3 },
  // UNSUBSCRIBE of the conversation that was watched, SET of the receipt, and ZREM of the connection.
  close: { commands: 5, bytesIn: 1200, bytesOut: 500, statements: 0.8 },
};

const TIMES = 50;
const PASSWORD = 'commands are counted';
const WORDS = 20;

let cluster: Cluster;
let meter: EngineMeter;
let users: TestUser[];
let sockets: TestSocket[] = [];
let chats: Chat[];

beforeAll(async () => {
  cluster = await startCluster({ nodes: 0, redisForm: 'single' });
  meter = await EngineMeter.open(cluster);
  await cluster.addNode();
  users = await createUsers();
  const warmUp = await openAll();
  await closeAll(warmUp);
  await meter.rest();
});

afterAll(async () => {
  meter.close();
  await cluster.stop();
});

describe('what one step asks of the engines', () => {
  it('is bounded for a ticket', async () => {
    const mintAll = () => Promise.all(users.map((user) => mintTicket(cluster.node, user)));
    expect(excess(await meter.each(TIMES, mintAll), MOST.ticket)).toEqual([]);
  });

  it('is bounded for a connection: ticket, upgrade and ready', async () => {
    const cost = await meter.each(TIMES, async () => (sockets = await openAll()));
    expect(excess(cost, MOST.connect)).toEqual([]);
  });

  it('is bounded for a message with its answer, and for each piece of a longer answer', async () => {
    chats = await startChats();
    const short = await meter.each(TIMES, () => askAll('count to 1'));
    expect(excess(short, MOST.message)).toEqual([]);

    const shortPieces = countPieces();
    const long = await meter.each(TIMES, () => askAll(`count to ${WORDS}`));
    const pieces = (countPieces() - 2 * shortPieces) / TIMES;
    const byPiece = (what: keyof typeof MOST.delta): number => (long[what] - short[what]) / pieces;
    const cost = {
      commands: byPiece('commands'),
      bytesIn: byPiece('bytesIn'),
      bytesOut: byPiece('bytesOut'),
      statements: byPiece('statements'),
      byCommand: `${long.byCommand} in ${pieces} pieces`,
    };
    expect(excess(cost, MOST.delta)).toEqual([]);
  });

  it('is bounded for a close', async () => {
    expect(excess(await meter.each(TIMES, () => closeAll(sockets)), MOST.close)).toEqual([]);
  });
});

/** What was exceeded, in words. */
function excess(cost: AskedEach, most: typeof MOST.ticket): string[] {
  return (['commands', 'bytesIn', 'bytesOut', 'statements'] as const)
    .filter((what) => cost[what] > most[what])
    .map((what) => `${what}: ${cost[what].toFixed(1)}, at most ${most[what]} (${cost.byCommand})`);
}

/** Accounts whose hash is cheap to check: the server takes its parameters from the hash. */
async function createUsers(): Promise<TestUser[]> {
  const cheap = await hash(PASSWORD, { memoryCost: 8, timeCost: 1, parallelism: 1 });
  const emails = Array.from({ length: TIMES }, (_, index) => `counted-${index}@example.test`);
  await cluster.sql(
    `INSERT INTO users (id, email, display_name, role, password_hash)
     SELECT gen_random_uuid(), email, email, 'user', $2 FROM unnest($1::text[]) AS email`,
    [emails, cheap],
  );
  return Promise.all(emails.map((email) => signIn(cluster.node, email, PASSWORD)));
}

function openAll(): Promise<TestSocket[]> {
  return Promise.all(users.map((user) => TestSocket.open(cluster.node, user)));
}

function closeAll(open: readonly TestSocket[]): Promise<unknown> {
  return Promise.all(open.map((socket) => socket.close()));
}

function startChats(): Promise<Chat[]> {
  return Promise.all(
    users.map(async (user, index) => {
      const { id } = await createConversation(cluster.node, user);
      const socket = sockets[index]!;
      await socket.send('subscribe', { conversation_id: id });
      return { user, id, socket, node: cluster.node };
    }),
  );
}

function askAll(content: string): Promise<unknown> {
  return Promise.all(
    chats.map(async (chat) => {
      const { run_id: runId } = await ask(chat, content);
      await endOf(chat.socket, runId);
    }),
  );
}

function countPieces(): number {
  return sockets.reduce((sum, socket) => sum + socket.all('message.delta').length, 0);
}
