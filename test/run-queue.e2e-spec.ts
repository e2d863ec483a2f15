import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServerFrameOf } from '../protocol/messages.js';
import { aChat, ask, type Chat, endOf, watch } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { metric } from './support/metrics.js';
import { TestSocket } from './support/socket.js';
import { aUser, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

type Progress = ServerFrameOf<'run.progress'>;

describe('a run that waits for its turn', () => {
  let cluster: Cluster;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ env: { WS_MAX_CONNECTIONS_PER_SESSION: '100' } });
    user = await aUser(cluster);
  });
  afterAll(() => cluster?.stop());

  /** One answer in progress, and behind it runs that wait in the same conversation, in order. */
  async function aQueue(length: number): Promise<{ chat: Chat; first: string; waiting: string[] }> {
    const chat = await aChat(cluster.node, user);
    const { run_id: first } = await ask(chat, 'count to 400');
    await chat.socket.next('run.started');
    const waiting: string[] = [];
    for (let count = 0; count < length; count++) waiting.push((await ask(chat, 'count to 1')).run_id);
    return { chat, first, waiting };
  }

  function progress(socket: TestSocket, runId: string, position: number): Promise<Progress> {
    return socket.next('run.progress', ({ data }) => data.run_id === runId && data.position === position);
  }

  async function end({ chat, first, waiting }: Awaited<ReturnType<typeof aQueue>>): Promise<void> {
    for (const run_id of [...waiting].reverse()) await chat.socket.send('run.cancel', { run_id });
    await chat.socket.send('run.cancel', { run_id: first });
    await chat.socket.close();
  }

  it('is reported with its position at every change, on every node', async () => {
    const queue = await aQueue(2);
    const { chat, first, waiting } = queue;
    const other = await watch(chat, cluster.other);
    for (const socket of [chat.socket, other]) {
      const { data, seq, conversation_id } = await progress(socket, waiting[1]!, 2);
      expect(data).toEqual({
        run_id: waiting[1],
        state: 'queued',
        position: 2,
        elapsed_ms: expect.any(Number),
      });
      expect([seq, conversation_id]).toEqual([undefined, chat.id]);
    }
    await chat.socket.send('run.cancel', { run_id: waiting[0]! });
    for (const socket of [chat.socket, other]) await progress(socket, waiting[1]!, 1);
    await chat.socket.send('run.cancel', { run_id: first });
    for (const socket of [chat.socket, other]) await endOf(socket, waiting[1]!);
    expect(other.all('run.progress').some(({ data }) => data.run_id === first)).toBe(false);
    await Promise.all([chat.socket.close(), other.close()]);
  });

  it('is reported at least every 5 seconds', async () => {
    const queue = await aQueue(1);
    const [runId] = queue.waiting;
    const before = await progress(queue.chat.socket, runId!, 1);
    const after = await progress(queue.chat.socket, runId!, 1);
    expect(Date.parse(after.ts) - Date.parse(before.ts)).toBeLessThanOrEqual(5000);
    expect(after.data.elapsed_ms).toBeGreaterThan(before.data.elapsed_ms);
    await end(queue);
  });

  it('is reported to a late joiner, who also gets the answer in progress', async () => {
    const queue = await aQueue(1);
    const { chat, waiting } = queue;
    const late = await TestSocket.open(cluster.other, user);
    await late.send('subscribe', { conversation_id: chat.id });
    await late.next('message.snapshot');
    await progress(late, waiting[0]!, 1);
    await late.send('resume', { cursors: [{ conversation_id: chat.id, seq: 0 }] });
    await progress(late, waiting[0]!, 1);
    await late.close();
    await end(queue);
  });

  it('has a position that includes the runs of its user in other conversations', async () => {
    const queue = await aQueue(2);
    const more = await aQueue(1);
    await progress(more.chat.socket, more.waiting[0]!, 3);
    await end(more);
    await end(queue);
  });

  it('is counted in chat_runs_waiting on every node', async () => {
    const queue = await aQueue(3);
    for (const node of [cluster.node, cluster.other]) {
      await eventually(async () => (await metric(node, 'chat_runs_waiting')) === 3, 'three runs that wait');
    }
    await end(queue);
    await eventually(async () => (await metric(cluster.node, 'chat_runs_waiting')) === 0, 'an empty queue');
  });
});
