import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AcceptedMessage, IssuedTicket } from '../protocol/resources.js';
import { currentRun } from '../scripts/testing/test-run.js';
import { parseRedisUrl } from '../src/config/redis-address.js';
import { commandClient, subscriberClient } from '../src/redis/redis-client.js';
import { aChat, ask, countTo, endOf, history, textOf, watch } from './chat.support.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { keysOf, withRedis } from './support/redis.js';
import { type ReplicatedForm, ReplicatedRedis } from './support/replicated-redis.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, mintTicket, register, signIn } from './support/user.js';
import { eventually } from './support/waiting.js';

const CHANNEL = 'conversation:in-order';
const OUTSTANDING = 10;
const LOGINS = 3;
const ANSWER_LIMIT_MS = 1500;
const FAILOVER_LIMIT_MS = 20_000;

const forms: [string, ReplicatedForm][] = [
  ['a cluster with replicas', 'cluster'],
  ['a master behind sentinels', 'sentinel'],
];

// A container publishes one port; a cluster's nodes must reach each other.
const describeWithBinary = currentRun().redis.kind === 'binary' ? describe : describe.skip;

describeWithBinary.each(forms)('with %s', (_name, form) => {
  let redis: ReplicatedRedis;
  let cluster: Cluster;

  beforeAll(async () => {
    redis = await ReplicatedRedis.start(form);
    cluster = await startCluster({
      redisForm: 'single',
      env: {
        REDIS_URL: redis.url,
        WS_TICKET_TTL_SECONDS: '120',
        LIMIT_TICKETS_OUTSTANDING_PER_USER: String(OUTSTANDING),
        LIMIT_LOGINS_PER_ACCOUNT_PER_MINUTE: String(LOGINS),
      },
    });
  });

  afterAll(async () => {
    await cluster.stop();
    await redis.stop();
  });

  const isReady = async (node: { url: string }) =>
    (await request('GET', `${node.url}/health/ready`)).status === 200;

  it('a ticket of one node opens one socket on another, and the answer streams to both in order', async () => {
    const user = await aUser(cluster);
    const { ticket } = await mintTicket(cluster.node, user);
    const socket = await TestSocket.connect(cluster.other, { ticket });
    await socket.next('ready');
    expect((await rawUpgrade(cluster.node, { ticket })).status).toBe(403);
    const chat = await aChat(cluster.node, user);
    const watcher = await watch(chat, cluster.other);
    const { run_id } = await ask(chat, 'count to 60');
    for (const reader of [chat.socket, watcher]) {
      const end = await endOf(reader, run_id);
      expect(textOf(reader, end.message_id)).toBe(countTo(60));
    }
    expect(await isReady(cluster.node)).toBe(true);
    expect(await withRedis({ redisUrl: cluster.redisUrl }, keysOf)).toEqual([]);
  });

  it('what is published to one channel arrives in the order in which it was sent', async () => {
    const address = parseRedisUrl(redis.url);
    const commands = commandClient(address);
    const subscriber = subscriberClient(address, commands);
    try {
      const received: string[] = [];
      subscriber.on('message', (_channel, message) => received.push(message));
      await Promise.all([once(commands, 'ready'), subscriber.subscribe(CHANNEL)]);
      const messages = Array.from({ length: 300 }, (_, index) => String(index));
      // The first one alone, because it opens the connection to its node.
      const [first = '', ...rest] = messages;
      await commands.publish(CHANNEL, first);
      await Promise.all(rest.map((message) => commands.publish(CHANNEL, message)));
      await eventually(() => received.length === messages.length, 'all messages');
      expect(received).toEqual(messages);
    } finally {
      subscriber.disconnect();
      commands.disconnect();
    }
  });

  it('the end of a session closes its sockets on every node within a second', async () => {
    const user = await aUser(cluster);
    const sockets = await Promise.all(cluster.nodes.map((node) => TestSocket.open(node, user)));
    await as(user, 'POST', `${cluster.node.url}/auth/logout`, { expect: 204 });
    for (const socket of sockets) expect((await socket.closes(1000)).code).toBe(4410);
  });

  it('limits hold across nodes', async () => {
    const { email, password } = await register(cluster.node);
    const user = await signIn(cluster.node, email, password);
    const mint = (index: number) =>
      as(user, 'POST', `${cluster.nodes[index % 2]?.url}/websocket/ticket`, { body: {} });
    const minted = await Promise.all(Array.from({ length: OUTSTANDING }, (_, index) => mint(index)));
    expect(minted.map(({ status }) => status)).toEqual(minted.map(() => 201));
    // The nodes tell each other within 250 ms, and are over the limit by no more than what each did meanwhile.
    for (const index of [0, 1]) {
      const over: number[] = [];
      const isOver = async () => over.push((await mint(index)).status) && over.at(-1) === 429;
      await eventually(isOver, 'a node that refuses');
      expect(over.length).toBeLessThan(OUTSTANDING);
    }
    const logins = [];
    for (let count = 0; count <= LOGINS; count++) {
      const body = { email, password };
      const answer = await request('POST', `${cluster.nodes[count % 2]?.url}/auth/login`, { body });
      logins.push(answer.status);
    }
    // The device is known by now: it has its own limit.
    expect(logins).toEqual([200, 200, 200, 429]);
  });

  it('the death of a master causes 503 for a while, and loses nothing that was acknowledged', async () => {
    const user = await aUser(cluster);
    const chat = await aChat(cluster.node, user);
    const watcher = await watch(chat, cluster.other);
    const ended = await aUser(cluster);
    await as(ended, 'POST', `${cluster.node.url}/auth/logout`, { expect: 204 });
    const spent = await mintTicket(cluster.node, user);
    const key = `ws_ticket:${createHash('sha256').update(spent.ticket).digest('hex')}`;
    const record = await withRedis({ redisUrl: redis.url }, (client) => client.get(key));
    expect((await rawUpgrade(cluster.node, { ticket: spent.ticket })).status).toBe(101);

    const acknowledged = [(await ask(chat, 'count to 3')).message_id];
    // The first master, because the nodes' subscribers are connected to it as well.
    redis.first.kill('SIGKILL');
    await eventually(async () => !(await isReady(cluster.node)), 'readiness to tell');
    const inTime = async <T>(work: () => Promise<T>): Promise<T> => {
      const start = performance.now();
      const answer = await work();
      expect(performance.now() - start).toBeLessThan(ANSWER_LIMIT_MS);
      return answer;
    };
    let ticket: string | undefined;
    const comesIn = async (): Promise<boolean> => {
      // An upgrade that was refused with 503 leaves its ticket unused, unless Redis had given it away already.
      const isTriedAgain = ticket !== undefined;
      if (ticket === undefined) {
        const minted = await inTime(() =>
          as<IssuedTicket>(user, 'POST', `${cluster.other.url}/websocket/ticket`, { body: {} }),
        );
        expect([201, 503]).toContain(minted.status);
        if (minted.status !== 201) return false;
        ticket = minted.body.ticket;
      }
      const presented = ticket;
      const { status } = await inTime(() => rawUpgrade(cluster.other, { ticket: presented }));
      expect(isTriedAgain ? [101, 403, 503] : [101, 503]).toContain(status);
      if (status !== 503) ticket = undefined;
      return status === 101 && (await isReady(cluster.node)) && (await isReady(cluster.other));
    };
    await eventually(
      async () => {
        const body = { client_message_id: randomUUID(), content: 'count to 3', on_busy: 'queue' };
        const url = `${cluster.node.url}/conversations/${chat.id}/messages`;
        const sent = await inTime(() => as<AcceptedMessage>(user, 'POST', url, { body }));
        expect([202, 503]).toContain(sent.status);
        if (sent.status === 202) acknowledged.push(sent.body.message_id);
        return comesIn();
      },
      'tickets and upgrades again',
      FAILOVER_LIMIT_MS,
    );

    // Both sockets were open before, and each node's own subscription had to move.
    const { run_id } = await ask(chat, 'count to 40', { on_busy: 'queue' });
    for (const reader of [chat.socket, watcher]) {
      expect(textOf(reader, (await endOf(reader, run_id)).message_id)).toBe(countTo(40));
    }
    const ids = (await history(chat)).map(({ id }) => id);
    expect(ids.filter((id) => acknowledged.includes(id))).toEqual(acknowledged);
    expect((await as(ended, 'GET', `${cluster.node.url}/auth/me`)).status).toBe(401);
    // As if the use had not been replicated before the replica became the master.
    await withRedis({ redisUrl: redis.url }, (client) => client.set(key, record ?? '', 'EX', 60));
    expect((await rawUpgrade(cluster.node, { ticket: spent.ticket })).status).toBe(403);
  });
});
