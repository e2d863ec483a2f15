import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { AcceptedMessage } from '../protocol/resources.js';
import {
  aChat,
  ask,
  askWriter,
  type Chat,
  countTo,
  endOf,
  events,
  history,
  textOf,
  watch,
} from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import type { TestNode } from './support/node.js';
import type { TestSocket } from './support/socket.js';
import { aUser, as, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

/** An answer in progress, and a socket that watches it from another node. */
interface Writing {
  chat: Chat;
  watcher: TestSocket;
  run: AcceptedMessage;
}

let cluster: Cluster;
let alice: TestUser;

beforeAll(async () => {
  // Sockets of a killed node count as open for a while.
  cluster = await startCluster({ nodes: 1, env: { WS_MAX_CONNECTIONS_PER_SESSION: '1000' } });
  alice = await aUser(cluster);
});
afterAll(() => cluster?.stop());

describe('when the node that writes dies', () => {
  // One node is killed for all of these tests, because each costs the start of a node and the time of a lease.
  let doomed: TestNode;
  let asksTheTime: Writing;
  let waiting: Writing[];
  const resent = { client_message_id: randomUUID() };

  beforeAll(async () => {
    doomed = await cluster.addNode();
    const [line, clock] = [await prepare(alice), await prepare(alice)];
    waiting = [await begin(line, 'count to 60', 1)];
    for (const [content, rest] of [
      ['count to 2', {}],
      ['count to 3', resent],
    ] as const) {
      waiting.push({ ...waiting[0]!, run: await ask(line.asking, content, rest) });
    }
    asksTheTime = await begin(clock, 'What time is it?', 0);
    await doomed.kill();
  });
  afterAll(async () => {
    await Promise.all([asksTheTime, waiting[0]!].map(({ watcher }) => watcher.close()));
  });

  async function prepare(user: TestUser): Promise<{ asking: Chat; watcher: TestSocket }> {
    const asking = await aChat(doomed, user);
    return { asking, watcher: await watch(asking, cluster.node) };
  }

  /** Asks on the node that will die; resolves after `frames` deltas of the answer, or for 0 after a tool's result. */
  async function begin(
    { asking, watcher }: { asking: Chat; watcher: TestSocket },
    content: string,
    frames: number,
  ): Promise<Writing> {
    const run = await askWriter(cluster, doomed, asking, content);
    if (frames === 0) await watcher.next('tool.result');
    for (let frame = 0; frame < frames; frame++) await watcher.next('message.delta');
    return { chat: { ...asking, node: cluster.node }, watcher, run };
  }

  it('no tool is called again whose result is in the log', async () => {
    const { watcher, run } = asksTheTime;
    const { message_id } = await endOf(watcher, run.run_id);
    expect(watcher.all('tool.call')).toHaveLength(1);
    expect(watcher.all('tool.result')).toHaveLength(1);
    const { time } = watcher.all('tool.result')[0]!.data.output as { time: string };
    expect(textOf(watcher, message_id)).toContain(time);
  });

  it('other nodes answer its queued runs, and acknowledge a resend with the first ids', async () => {
    const { chat, watcher } = waiting[0]!;
    for (const { run } of waiting)
      expect(await endOf(watcher, run.run_id)).toMatchObject({ finish_reason: 'stop' });
    const answers = (await history(chat)).filter(({ role }) => role === 'assistant');
    expect(answers.map(({ content }) => content)).toEqual([countTo(60), countTo(2), countTo(3)]);
    const url = `${cluster.node.url}/conversations/${chat.id}/messages`;
    const resend = (content: string) => as(chat.user, 'POST', url, { body: { ...resent, content } });
    const { message_id, seq, run_id } = waiting[2]!.run;
    const first = { message_id, seq, run_id, duplicate: true };
    expect(await resend('count to 3')).toMatchObject({ status: 202, body: first });
    expect(await resend('count to 4')).toMatchObject({ body: { code: 'idempotency_conflict' } });
  });
});

describe('a run whose node fails', () => {
  it('gets no more writes from a node that was frozen and resumes', async () => {
    const frozen = await cluster.addNode();
    const chat = await aChat(frozen, alice);
    const watcher = await watch(chat, cluster.node);
    const { run_id } = await askWriter(cluster, frozen, chat, 'count to 100');
    for (let frames = 0; frames < 5; frames++) await watcher.next('message.delta');
    frozen.signal('SIGSTOP');
    await watcher.next('run.takeover');
    frozen.signal('SIGCONT');
    const end = await endOf(watcher, run_id);
    let length = 0;
    for (const frame of watcher.frames) {
      if (frame.type !== 'message.delta' || frame.data.run_id !== run_id) continue;
      expect(frame.data.offset).toBe(length);
      length += frame.data.text.length;
    }
    expect(textOf(watcher, end.message_id)).toBe(countTo(100));
    expect(
      (await events({ ...chat, node: cluster.node })).filter(({ type }) => type === 'run.completed'),
    ).toHaveLength(1);
    await frozen.kill();
    await watcher.close();
  });

  it('is not changed by a late write of an earlier attempt', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 8');
    await chat.socket.next('message.delta');
    // As if another node had taken the run over and this one had not noticed yet.
    await cluster.sql(
      "UPDATE runs SET attempt = 2, node = 'elsewhere', lease_until = now() + interval '1 second' WHERE id = $1",
      [run_id],
    );
    const end = await endOf(chat.socket, run_id);
    expect((await events(chat)).map(({ type }) => type).slice(3)).toEqual(['run.takeover', 'run.completed']);
    expect(chat.socket.all('run.takeover')[0]?.data).toMatchObject({ from_node: 'elsewhere', attempt: 3 });
    expect(textOf(chat.socket, end.message_id)).toBe(countTo(8));
    expect(cluster.node.logged('run.stopped')).toContainEqual(
      expect.objectContaining({ run_id, attempt: 1, reason: 'lost' }),
    );
    await chat.socket.close();
  });

  it('has its end published when the node that stored it did not do that', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 1');
    await endOf(chat.socket, run_id);
    await chat.socket.close();
    const isAnnounced = async (): Promise<boolean> => {
      const rows = await cluster.sql('SELECT 1 FROM runs WHERE id = $1 AND announce_after IS NULL', [run_id]);
      return rows.length === 1;
    };
    await eventually(isAnnounced, 'the note that the end was published');
    const watcher = await watch(chat, cluster.node);
    // The row as it is when its node died between the commit and the publication.
    await cluster.sql("UPDATE runs SET announce_after = now() - interval '1 second' WHERE id = $1", [run_id]);
    const end = await endOf(watcher, run_id);
    expect(end).toMatchObject({ finish_reason: 'stop' });
    expect(textOf(watcher, end.message_id)).toBe('1');
    await eventually(isAnnounced, 'the note that it was published now');
    await watcher.close();
  });
});

describe('when the node that writes is stopped', () => {
  it('it hands over at the end of the drain window, and the answer continues within a second', async () => {
    const leaving = await cluster.addNode();
    const chat = await aChat(leaving, alice);
    const watcher = await watch(chat, cluster.node);
    const { run_id } = await askWriter(cluster, leaving, chat, 'count to 70');
    await watcher.next('message.delta');
    const exit = leaving.stop();
    const takeover = await watcher.next('run.takeover', () => true, 3000);
    expect(takeover.data).toMatchObject({ from_node: leaving.name, to_node: cluster.node.name, attempt: 2 });
    const end = await endOf(watcher, run_id);
    expect(textOf(watcher, end.message_id)).toBe(countTo(70));
    expect(await exit).toMatchObject({ code: 0 });
    await watcher.close();
  });
});

describe('when Redis loses all data during an answer', () => {
  it('the answer is stored complete, and the next question is answered', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 100');
    await chat.socket.next('message.delta');
    await cluster.redis.restart();
    const done = await eventually(
      async () =>
        (
          await cluster.sql<{ content: string }>(
            'SELECT content FROM messages WHERE run_id = $1 AND status = $2',
            [run_id, 'complete'],
          )
        )[0],
      'the end of the answer',
    );
    expect(done.content).toBe(countTo(100));
    alice = await aUser(cluster);
    const other = await aChat(cluster.node, alice);
    expect(
      await endOf(other.socket, (await ask(other, 'count to 2', { client_message_id: randomUUID() })).run_id),
    ).toMatchObject({
      finish_reason: 'stop',
    });
    await other.socket.close();
  });
});
