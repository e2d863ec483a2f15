import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis as Client } from 'ioredis';
import { type RedisCluster, startRedisCluster } from '../scripts/engines/redis-cluster.js';
import { currentRun } from '../scripts/testing/test-run.js';
import { aChat, ask, countTo, endOf, events, textOf, watch } from './chat.support.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { redisSettings } from './support/engines.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { aUser, mintTicket } from './support/user.js';

const ALL_KEYS_OF_A_SLOT = 1000;
const MIGRATE_LIMIT_MS = 5000;

// A container publishes one port; a cluster's nodes must reach each other.
const describeWithBinary = currentRun().redis.kind === 'binary' ? describe : describe.skip;

describeWithBinary('while slots move between the masters of a cluster', () => {
  let redis: RedisCluster;
  let masters: Client[];
  let cluster: Cluster;

  beforeAll(async () => {
    redis = await startRedisCluster({ ...redisSettings(), durable: false });
    masters = redis.masters.map(({ url }) => new Client(url));
    cluster = await startCluster({ redisForm: 'single', env: { REDIS_URL: redis.url } });
  });

  afterAll(async () => {
    for (const master of masters ?? []) master.disconnect();
    await cluster?.stop();
    await redis?.stop();
  });

  /**
   * Moves the contents of a key's slot to another master, as an operator's tools do. The old master answers with ASK
   * until `finish` assigns the slot to the new one, and with MOVED afterwards.
   */
  async function move(key: string): Promise<{ finish(): Promise<void> }> {
    const slot = await masters[0]!.cluster('KEYSLOT', key);
    const from = await ownerOf(Number(slot));
    const to = (from + 1) % masters.length;
    const [source, target] = [masters[from]!, masters[to]!];
    const [sourceId, targetId] = await Promise.all([source, target].map((master) => master.cluster('MYID')));
    await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', sourceId!);
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', targetId!);
    const migrate = async () => {
      const keys = await source.cluster('GETKEYSINSLOT', Number(slot), ALL_KEYS_OF_A_SLOT);
      if (keys.length === 0) return;
      const { port } = redis.masters[to]!;
      await source.call('MIGRATE', '127.0.0.1', port, '', 0, MIGRATE_LIMIT_MS, 'KEYS', ...keys);
    };
    await migrate();
    const finish = async () => {
      await migrate();
      for (const master of [target, source, ...masters]) {
        await master.call('CLUSTER', 'SETSLOT', slot, 'NODE', targetId!);
      }
    };
    return { finish };
  }

  async function ownerOf(slot: number): Promise<number> {
    const ranges = await masters[0]!.cluster('SLOTS');
    const [, , owner] = ranges.find(([first, last]) => first <= slot && slot <= last) ?? [];
    return redis.masters.findIndex(({ port }) => port === owner?.[1]);
  }

  it('every upgrade is accepted, and an answer loses nothing', async () => {
    const user = await aUser(cluster);
    const chat = await aChat(cluster.node, user);
    const watcher = await watch(chat, cluster.other);
    const { run_id } = await ask(chat, 'count to 120');
    await watcher.next('message.delta');
    const { id } = user.user;
    const lists = await Promise.all(masters.map((master) => master.keys('connection_list:*')));
    const keys = [
      `chat_session:${id}:${user.sessionId}`,
      `run_checkpoint:${run_id}`,
      `conversation:${chat.id}`,
      `connection_index:${id}`,
      `ticket_quota:${id}`,
      ...lists.flat().slice(0, 1),
      'node_list',
      'run:cancel',
    ];
    const comeIn = async () => {
      for (const node of cluster.nodes) await (await TestSocket.open(node, user)).close();
    };
    for (const key of keys) {
      const { finish } = await move(key);
      await comeIn();
      await finish();
      await comeIn();
    }
    for (const reader of [chat.socket, watcher]) {
      expect(textOf(reader, (await endOf(reader, run_id)).message_id)).toBe(countTo(120));
    }
    const log = await events(chat);
    expect(log.map(({ seq, type }) => [seq, type])).toEqual([
      [1, 'message.created'],
      [2, 'message.created'],
      [3, 'run.started'],
      [4, 'run.completed'],
    ]);
    await Promise.all([chat.socket.close(), watcher.close()]);
  });

  it('a ticket opens one socket, wherever it is stored by then', async () => {
    const user = await aUser(cluster);
    for (const isFinished of [false, true]) {
      const { ticket } = await mintTicket(cluster.node, user);
      const { finish } = await move(`ws_ticket:${createHash('sha256').update(ticket).digest('hex')}`);
      if (isFinished) await finish();
      const answers = await Promise.all(cluster.nodes.map((node) => rawUpgrade(node, { ticket })));
      expect(answers.map(({ status }) => status).sort()).toEqual([101, 403]);
      await finish();
    }
  });
});
