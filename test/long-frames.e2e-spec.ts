import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { DurableEvent, ServerFrame } from '../protocol/messages.js';
import type { AcceptedMessage } from '../protocol/resources.js';
import { aChat, ask, type Chat, endOf, events, history, proofOf, textOf, watch } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { OllamaServer } from './support/ollama-server.js';
import { TestSocket } from './support/socket.js';
import { Page } from './support/page.js';
import { as, aUser, createConversation, register } from './support/user.js';

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
    cluster = await startCluster({
      env: { ...env, WS_MAX_CONNECTIONS_PER_SESSION: '100', RESPONDER_MAX_CHARACTERS: '1000000' },
    });
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

  it('holds for the client: a message that does not fit goes over HTTP, between those around it', async () => {
    const answer = { kind: 'answer' as const, tokens: ['ok'] };
    model.behave(answer, answer, answer);
    const account = await register(cluster.node);
    const page = await Page.open(cluster.node, account);
    const { id: conversation_id } = await createConversation(cluster.node, { accessToken: page.token });
    const contents = ['one', '票'.repeat(25_000), 'three'];
    const sent = contents.map((content) =>
      page.client.sendMessage({ conversation_id, client_message_id: randomUUID(), content }),
    );
    const seqs = (await Promise.all(sent)).map(({ seq }) => seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    const stored = await cluster.sql<{ content: string }>(
      "SELECT content FROM messages WHERE conversation_id = $1 AND role = 'user' ORDER BY seq",
      [conversation_id],
    );
    expect(stored.map(({ content }) => content)).toEqual(contents);
    expect([page.sockets, page.ends]).toEqual([1, []]);
    expect(page.calls.filter((call) => call.endsWith('/messages'))).toHaveLength(1);
    page.client.close();
  });

  it('leaves the longest message to HTTP, which takes it in any spelling of JSON', async () => {
    model.behave({ kind: 'answer', tokens: ['ok'] });
    const content = '😀'.repeat(16_000);
    const escaped = (text: string) =>
      Array.from({ length: text.length }, (_, at) => text.charCodeAt(at).toString(16).padStart(4, '0'))
        .map((unit) => `\\u${unit}`)
        .join('');
    const members = Object.entries({ client_message_id: 'm'.repeat(128), content });
    const body = `{${members.map(([name, value]) => `"${escaped(name)}":"${escaped(value)}"`).join(' , ')}}`;
    expect(body.length).toBeGreaterThan(192_000);
    const response = await fetch(`${cluster.node.url}/conversations/${chat.id}/messages`, {
      method: 'POST',
      headers: { authorization: `Bearer ${chat.user.accessToken}`, 'content-type': 'application/json' },
      body,
    });
    expect(response.status).toBe(202);
    const { message_id, run_id } = (await response.json()) as AcceptedMessage;
    expect((await history(chat)).find(({ id }) => id === message_id)?.content).toBe(content);
    await endOf(chat.socket, run_id);
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
