import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { aChat, ask, countTo, endOf, events, history, proofOf, textOf, watch } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { aUser, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

let cluster: Cluster;
let alice: TestUser;

beforeAll(async () => {
  // Sockets of a killed node count for a while as open ones.
  cluster = await startCluster({ nodes: 1, env: { WS_MAX_CONNECTIONS_PER_SESSION: '1000' } });
  alice = await aUser(cluster);
});
afterAll(() => cluster?.stop());

describe('when the node that writes dies', () => {
  it('another one continues the same message from the text already sent, within 3 s', async () => {
    const doomed = await cluster.addNode();
    const chat = await aChat(doomed, alice);
    const watcher = await watch(chat, cluster.node);
    const { run_id } = await ask(chat, 'count to 70');
    for (let frames = 0; frames < 8; frames++) await watcher.next('message.delta');
    const [{ data: started } = { data: undefined }] = watcher.all('run.started');
    await doomed.kill();
    const killedMs = performance.now();
    const takeover = await watcher.next('run.takeover', () => true, 3000);
    await watcher.next('message.delta', () => true, 3000 - (performance.now() - killedMs));
    expect(takeover.data).toMatchObject({
      run_id,
      message_id: started?.message_id,
      from_node: doomed.name,
      to_node: cluster.node.name,
      attempt: 2,
    });
    const end = await endOf(watcher, run_id);
    expect(textOf(watcher, end.message_id)).toBe(countTo(70));
    expect(end).toMatchObject({ finish_reason: 'stop', ...proofOf(countTo(70)) });
    const before = watcher.frames.slice(0, watcher.frames.indexOf(takeover));
    const sent = before.flatMap((frame) => (frame.type === 'message.delta' ? frame.data.text : [])).join('');
    // Nothing that anybody has seen was taken back.
    expect(takeover.data.offset).toBeGreaterThanOrEqual(sent.length);
    const log = await events({ ...chat, node: cluster.node });
    expect(log.map(({ type }) => type)).toEqual([
      'message.created',
      'message.created',
      'run.started',
      'run.takeover',
      'run.completed',
    ]);
    expect((await history({ ...chat, node: cluster.node })).map(({ content }) => content)).toEqual([
      'count to 70',
      countTo(70),
    ]);
    await watcher.close();
  });

  it('does not call a tool again whose result is in the log', async () => {
    const doomed = await cluster.addNode();
    const chat = await aChat(doomed, alice);
    const watcher = await watch(chat, cluster.node);
    const { run_id } = await ask(chat, 'What time is it?');
    await watcher.next('tool.result');
    await doomed.kill();
    const { message_id } = await endOf(watcher, run_id);
    expect(watcher.all('tool.call')).toHaveLength(1);
    expect(watcher.all('tool.result')).toHaveLength(1);
    const { time } = watcher.all('tool.result')[0]!.data.output as { time: string };
    expect(textOf(watcher, message_id)).toContain(time);
    await watcher.close();
  });

  it('its queued runs are answered by others', async () => {
    const doomed = await cluster.addNode();
    const chat = await aChat(doomed, alice);
    const watcher = await watch(chat, cluster.node);
    const runs = await Promise.all(
      ['count to 60', 'count to 2', 'count to 3'].map((content) => ask(chat, content)),
    );
    await watcher.next('message.delta');
    await doomed.kill();
    for (const { run_id } of runs)
      expect(await endOf(watcher, run_id)).toMatchObject({ finish_reason: 'stop' });
    const answers = (await history({ ...chat, node: cluster.node })).filter(
      ({ role }) => role === 'assistant',
    );
    expect(answers.map(({ content }) => content)).toEqual([countTo(60), countTo(2), countTo(3)]);
    await watcher.close();
  });

  it('a frozen one that wakes up again writes nothing more', async () => {
    const frozen = await cluster.addNode();
    const chat = await aChat(frozen, alice);
    const watcher = await watch(chat, cluster.node);
    const { run_id } = await ask(chat, 'count to 100');
    for (let frames = 0; frames < 5; frames++) await watcher.next('message.delta');
    frozen.signal('SIGSTOP');
    await watcher.next('run.takeover');
    frozen.signal('SIGCONT');
    const end = await endOf(watcher, run_id);
    let length = 0;
    for (const frame of watcher.frames) {
      if (frame.type !== 'message.delta') continue;
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

  it('a late write of an attempt that is over changes nothing', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 8');
    await chat.socket.next('message.delta');
    // As if another node had taken the run over, and this one had not noticed yet.
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

  it('a run that three nodes did not finish is given up, with its text kept', async () => {
    const doomed = await cluster.addNode();
    const chat = await aChat(doomed, alice);
    const watcher = await watch(chat, cluster.node);
    const { run_id } = await ask(chat, 'count to 100');
    await watcher.next('message.delta');
    await cluster.sql('UPDATE runs SET attempt = 3 WHERE id = $1', [run_id]);
    await doomed.kill();
    const end = await endOf(watcher, run_id);
    expect(end).toMatchObject({ finish_reason: 'error', problem: { code: 'internal' } });
    const kept = (await history({ ...chat, node: cluster.node })).at(-1)!;
    expect(kept).toMatchObject({ status: 'failed' });
    expect(countTo(100).startsWith(kept.content)).toBe(true);
    expect(proofOf(kept.content)).toEqual({ length: end.length, sha256: end.sha256 });
    expect(end.length).toBeGreaterThan(0);
    await watcher.close();
  });

  it('the end that it stored and did not publish is published by another', async () => {
    const chat = await aChat(cluster.node, alice);
    const { run_id } = await ask(chat, 'count to 1');
    await endOf(chat.socket, run_id);
    await chat.socket.close();
    const isAnnounced = async (): Promise<boolean> => {
      const rows = await cluster.sql('SELECT 1 FROM runs WHERE id = $1 AND lease_until IS NULL', [run_id]);
      return rows.length === 1;
    };
    await eventually(isAnnounced, 'the note that the end was published');
    const watcher = await watch(chat, cluster.node);
    // What the row looks like when its node died between the commit and the publication.
    await cluster.sql("UPDATE runs SET lease_until = now() - interval '1 second' WHERE id = $1", [run_id]);
    const end = await endOf(watcher, run_id);
    expect(end).toMatchObject({ finish_reason: 'stop' });
    expect(textOf(watcher, end.message_id)).toBe('1');
    await eventually(isAnnounced, 'the note that it was published now');
    await watcher.close();
  });
});

describe('when the node that writes is stopped', () => {
  it('hands over at the end of the drain window, and the answer goes on within a second', async () => {
    const leaving = await cluster.addNode();
    const chat = await aChat(leaving, alice);
    const watcher = await watch(chat, cluster.node);
    const { run_id } = await ask(chat, 'count to 70');
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

describe('when Redis forgets everything in mid-answer', () => {
  it('the answer still ends whole for those who watch, and in history', async () => {
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
