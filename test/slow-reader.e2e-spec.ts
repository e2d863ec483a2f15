import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { ServerFrame } from '../protocol/messages.js';
import { type Chat, aChat, textOf } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { metric } from './support/metrics.js';
import { withRedis } from './support/redis.js';
import { TestSocket } from './support/socket.js';
import { aUser } from './support/user.js';
import { eventually } from './support/waiting.js';

/** More than the kernel buffers for a reader that has stopped. */
const FRAMES = 3000;
const AT_ONCE = 200;
const PIECE = 'x'.repeat(8000);

describe('a socket whose client has stopped reading', () => {
  let cluster: Cluster;
  let chat: Chat;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
    chat = await aChat(cluster.node, await aUser(cluster));
  });

  afterAll(() => cluster?.stop());

  /** A socket that watches the conversation and has stopped reading. */
  async function stopped(): Promise<TestSocket> {
    const socket = await TestSocket.open(cluster.node, chat.user);
    await socket.send('subscribe', { conversation_id: chat.id });
    socket.ws.pause();
    return socket;
  }

  /** Publishes as a node that writes an answer would, but much faster than any model. */
  async function publish(frames: object[], seq?: number): Promise<void> {
    const messages = frames.map((frame) => `${seq ?? ''}\n${JSON.stringify(frame)}`);
    // Many in one command, to be fast on a busy machine; not all, because Redis would drop the subscribers.
    const script = "for _, message in ipairs(ARGV) do redis.call('PUBLISH', KEYS[1], message) end";
    await withRedis(cluster, async (redis) => {
      for (let sent = 0; sent < messages.length; sent += AT_ONCE)
        await redis.eval(script, 1, `conversation:${chat.id}`, ...messages.slice(sent, sent + AT_ONCE));
    });
  }

  const delta = (messageId: string, offset: number, text: string) => ({
    type: 'message.delta',
    conversation_id: chat.id,
    ts: new Date().toISOString(),
    data: { run_id: randomUUID(), message_id: messageId, offset, text },
  });
  const ofMessage = (messageId: string) => (frame: ServerFrame) =>
    frame.type === 'message.delta' && frame.data.message_id === messageId;

  it('gets the newest text once it reads again, in fewer frames and in order with the events, and affects no other', async () => {
    const socket = await stopped();
    const reader = await TestSocket.open(cluster.node, chat.user);
    await reader.send('subscribe', { conversation_id: chat.id });
    const messageId = randomUUID();
    // Each frame replaces the text of the one before from its second character on, so the text stays short.
    const frames = Array.from({ length: FRAMES }, (_, index) =>
      delta(messageId, index === 0 ? 0 : 1, `${index}${PIECE}`),
    );
    await publish(frames);
    const pong = await reader.send('ping', {});
    expect(pong.type).toBe('pong');
    const notice = { type: 'notice', conversation_id: chat.id, data: { code: 'test', detail: 'the end' } };
    await publish([notice]);
    await reader.next('notice');
    expect(reader.frames.filter(ofMessage(messageId))).toHaveLength(FRAMES);
    socket.ws.resume();
    await socket.next('notice');
    expect(textOf(socket, messageId)).toBe(textOf(reader, messageId));
    const got = socket.frames.filter(ofMessage(messageId)).length;
    expect(got).toBeGreaterThan(1);
    expect(got).toBeLessThan(FRAMES);
    await publish([delta(messageId, 0, 'again as ever')]);
    await socket.nextWhere(
      (frame) => frame.type === 'message.delta' && frame.data.text === 'again as ever',
      'a frame as it is',
    );
    await Promise.all([socket.close(), reader.close()]);
  });

  it('is told and closed with 4508 when more than 1 MiB of texts or events waits', async () => {
    const socket = await stopped();
    const before = await metric(cluster.node, 'chat_slow_consumers_total');
    const isSlow = async () => (await metric(cluster.node, 'chat_slow_consumers_total')) > before;
    const messageId = randomUUID();
    let offset = 0;
    await eventually(async () => {
      const frames = Array.from({ length: 100 }, () => delta(messageId, (offset += PIECE.length), PIECE));
      await publish(frames);
      return isSlow();
    }, 'a socket that is too slow');
    socket.ws.resume();
    expect((await socket.next('notice')).data.code).toBe('slow_consumer');
    expect(await socket.closes()).toEqual({ code: 4508, reason: 'slow_consumer' });
  });

  it('is closed with 4508 when it has read nothing for 10 s, although little waits', async () => {
    const socket = await stopped();
    const before = await metric(cluster.node, 'chat_slow_consumers_total');
    const messageId = randomUUID();
    await publish(Array.from({ length: FRAMES }, (_, index) => delta(messageId, 0, `${index}${PIECE}`)));
    const since = performance.now();
    expect(await metric(cluster.node, 'chat_slow_consumers_total')).toBe(before);
    const isSlow = async () => (await metric(cluster.node, 'chat_slow_consumers_total')) > before;
    await eventually(isSlow, 'a socket that has stalled', 15_000);
    expect(performance.now() - since).toBeGreaterThan(8000);
    socket.ws.resume();
    expect(await socket.closes()).toEqual({ code: 4508, reason: 'slow_consumer' });
  });
});
