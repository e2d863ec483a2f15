import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DurableEvent, ServerFrame } from '../protocol/messages.js';
import type { AcceptedMessage } from '../protocol/resources.js';
import { aChat, ask, type Chat, endOf, events, history, proofOf, textOf, watch } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { OllamaServer } from './support/ollama-server.js';
import { TestSocket } from './support/socket.js';
import { as, aUser } from './support/user.js';

const MAX_FRAME_BYTES = 65_536;
/** 300,000 characters, some of which JSON escapes and some of which are two code units. */
const LONG = 'a"\\\n\u0001ä€😀x'.repeat(30_000);

describe('no frame has more than 64 KiB', () => {
  let model: OllamaServer;
  let cluster: Cluster;
  let chat: Chat;
  const sizes: number[] = [];

  function measured(socket: TestSocket): TestSocket {
    socket.ws.on('message', (data) => sizes.push((data as Buffer).length));
    return socket;
  }

  /** The text that a socket holds once it is complete. */
  async function wholeText(socket: TestSocket, messageId: string, length: number): Promise<string> {
    const isLast = (frame: ServerFrame): boolean => {
      const { data } = frame;
      if (!('message_id' in data) || data.message_id !== messageId) return false;
      if (frame.type === 'message.snapshot') return frame.data.text.length === length;
      return frame.type === 'message.delta' && frame.data.offset + frame.data.text.length === length;
    };
    await socket.nextWhere(isLast, `the last piece of ${length} characters`);
    return textOf(socket, messageId);
  }

  beforeAll(async () => {
    model = await OllamaServer.start();
    const env = { RESPONDER: 'ollama', OLLAMA_URL: model.url, OLLAMA_MODEL: 'test-model' };
    cluster = await startCluster({ env: { ...env, WS_MAX_CONNECTIONS_PER_SESSION: '100' } });
    chat = await aChat(cluster.node, await aUser(cluster));
    measured(chat.socket);
  });
  afterAll(async () => {
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_FRAME_BYTES);
    await cluster?.stop();
    await model?.stop();
  });

  it('for an answer that arrives at once, on either node, and the text is complete', async () => {
    model.behave({ kind: 'answer', tokens: [LONG] });
    const other = measured(await watch(chat, cluster.other));
    const { run_id } = await ask(chat, 'Tell me everything.');
    for (const socket of [chat.socket, other]) {
      const end = await endOf(socket, run_id);
      expect(end).toMatchObject(proofOf(LONG));
      expect(textOf(socket, end.message_id)).toBe(LONG);
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_FRAME_BYTES);
    await other.close();
  });

  it('for a resume that contains an answer which has ended', async () => {
    model.behave({ kind: 'answer', tokens: [LONG] });
    const { message_id } = await endOf(chat.socket, (await ask(chat, 'Once more.')).run_id);
    const back = measured(await TestSocket.open(cluster.other, chat.user));
    const cursor = { conversation_id: chat.id, seq: 0, partials: [{ message_id, offset: 5 }] };
    await back.send('resume', { cursors: [cursor] });
    expect(await wholeText(back, message_id, LONG.length)).toBe(LONG);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_FRAME_BYTES);
    await back.close();
  });

  it('for a late joiner, who misses nothing of the rest', async () => {
    model.behave({ kind: 'hang-between-tokens', tokens: [LONG] });
    const { run_id } = await ask(chat, 'And again.');
    const { data: started } = await chat.socket.next('run.started', ({ data }) => data.run_id === run_id);
    await wholeText(chat.socket, started.message_id, LONG.length);
    const late = measured(await TestSocket.open(cluster.other, chat.user));
    await late.send('subscribe', { conversation_id: chat.id });
    expect(await wholeText(late, started.message_id, LONG.length)).toBe(LONG);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_FRAME_BYTES);
    await late.send('run.cancel', { run_id });
    await late.close();
  });

  it('for a long question, which is marked and can be read in full over HTTP', async () => {
    model.behave({ kind: 'answer', tokens: ['ok'] });
    const content = '€'.repeat(32_000);
    const { body } = await as<AcceptedMessage>(
      chat.user,
      'POST',
      `${cluster.other.url}/conversations/${chat.id}/messages`,
      { body: { client_message_id: randomUUID(), content }, expect: 202 },
    );
    const live = await chat.socket.next('message.created', ({ seq }) => seq === body.seq);
    const back = measured(await TestSocket.open(cluster.node, chat.user));
    await back.send('resume', { cursors: [{ conversation_id: chat.id, seq: body.seq - 1 }] });
    const replayed = await back.next('message.created', ({ seq }) => seq === body.seq);
    for (const { data } of [live, replayed]) {
      expect(data.message).toMatchObject({ id: body.message_id, truncated: true });
      expect(content.startsWith(data.message.content)).toBe(true);
    }
    const stored = (await events(chat)).find(({ seq }) => seq === body.seq)!;
    expect(stored.data).toMatchObject({ message: { content } });
    expect(stored.data).not.toHaveProperty('message.truncated');
    expect((await history(chat)).find(({ id }) => id === body.message_id)?.content).toBe(content);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_FRAME_BYTES);
    await endOf(chat.socket, body.run_id);
    await back.close();
  });

  it('for a tool call with long arguments, which is marked and can be read in full over HTTP', async () => {
    const toolCalls = [{ name: 'current_time', arguments: { timezone: 'x'.repeat(100_000) } }];
    model.behave({ kind: 'answer', tokens: [''], toolCalls }, { kind: 'answer', tokens: ['ok'] });
    const { run_id } = await ask(chat, 'What time is it?');
    await endOf(chat.socket, run_id);
    const isCall = ({ type, data }: ServerFrame | DurableEvent) =>
      type === 'tool.call' && data.run_id === run_id;
    expect(chat.socket.frames.find(isCall)?.data).toMatchObject({ truncated: true, arguments: {} });
    expect((await events(chat)).find(isCall)?.data).toMatchObject(toolCalls[0]!);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(MAX_FRAME_BYTES);
  });
});
