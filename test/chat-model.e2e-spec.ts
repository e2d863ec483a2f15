import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { type Chat, aChat, ask, askWriter, endOf, events, history, proofOf, textOf } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import type { Behaviour } from './support/ollama-behaviour.js';
import { OllamaServer } from './support/ollama-server.js';
import { TestSocket } from './support/socket.js';
import { aUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const TOKENS = ['One ', 'two ', '😀'];

let model: OllamaServer;
let cluster: Cluster;
let chat: Chat;

beforeAll(async () => {
  model = await OllamaServer.start();
  const env = { RESPONDER: 'ollama', OLLAMA_URL: model.url, OLLAMA_MODEL: 'test-model' };
  // One node, because each has its own breaker, and any node may take a run.
  cluster = await startCluster({ nodes: 1, env });
  chat = await aChat(cluster.node, await aUser(cluster));
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});
// A breaker that opened in one test is not the subject of the next.
beforeEach(async () => {
  model.behave({ kind: 'answer', tokens: ['fine'] });
  await endOf(chat.socket, (await ask(chat, 'Hello?')).run_id);
});

describe('with a model behind Ollama', () => {
  it('the answer is its tokens, and the usage is its counts', async () => {
    model.behave({ kind: 'answer', tokens: TOKENS, doneReason: 'length' });
    const { run_id } = await ask(chat, 'Count.');
    const end = await endOf(chat.socket, run_id);
    expect(end).toMatchObject({ finish_reason: 'length', ...proofOf(TOKENS.join('')) });
    expect(end.usage?.completion_tokens).toBeGreaterThan(0);
    expect(textOf(chat.socket, end.message_id)).toBe(TOKENS.join(''));
    expect(chat.socket.all('run.started').at(-1)?.data).toMatchObject({
      responder: 'ollama',
      model: 'test-model',
    });
  });

  it('the conversation so far is sent to it', async () => {
    model.behave({ kind: 'answer', tokens: ['again'] });
    await endOf(chat.socket, (await ask(chat, 'And now?')).run_id);
    const { body } = model.requests.at(-1)!;
    expect(body.messages.slice(-3).map(({ role, content }) => `${role} ${content}`)).toEqual([
      'user Hello?',
      'assistant fine',
      'user And now?',
    ]);
  });

  it.each<[string, Behaviour]>([
    ['is cut off', { kind: 'cut', tokens: TOKENS }],
    ['reports an error', { kind: 'error-mid-stream', tokens: TOKENS, error: 'out of memory' }],
    ['sends junk', { kind: 'junk', tokens: TOKENS, junk: '<html>' }],
  ])(
    'an answer that %s fails with its text kept, and the next question is answered',
    async (_name, behaviour) => {
      model.behave(behaviour);
      const { run_id } = await ask(chat, 'Count.');
      const end = await endOf(chat.socket, run_id);
      expect(end).toMatchObject({ finish_reason: 'error', problem: { code: 'dependency_unavailable' } });
      expect(chat.socket.all('run.failed').at(-1)?.data).toEqual(end);
      const kept = (await history(chat)).find(({ id }) => id === end.message_id);
      expect(kept).toMatchObject({ status: 'failed', content: TOKENS.join('') });
      expect(proofOf(kept!.content)).toEqual({ length: end.length, sha256: end.sha256 });
      model.behave({ kind: 'answer', tokens: ['better'] });
      expect(await endOf(chat.socket, (await ask(chat, 'And now?')).run_id)).toMatchObject({
        finish_reason: 'stop',
      });
    },
  );

  it('a tool call gets its result, and both are events', async () => {
    model.behave(
      { kind: 'answer', tokens: [], toolCalls: [{ name: 'current_time', arguments: { timezone: 'UTC' } }] },
      { kind: 'answer', tokens: ['It is late.'] },
    );
    const { run_id } = await ask(chat, 'What time is it?');
    const end = await endOf(chat.socket, run_id);
    const log = (await events(chat)).filter(({ data }) => 'run_id' in data && data.run_id === run_id);
    expect(log.map(({ type }) => type)).toEqual(['run.started', 'tool.call', 'tool.result', 'run.completed']);
    expect(textOf(chat.socket, end.message_id)).toBe('It is late.');
  });

  it('after five failures in a row the model is not asked for a while, and then asked again', async () => {
    model.behave({ kind: 'status', status: 500, error: 'broken' });
    const failing = async () => endOf(chat.socket, (await ask(chat, 'Hello?')).run_id);
    for (let failures = 0; failures < 5; failures++) expect((await failing()).finish_reason).toBe('error');
    const asked = model.requests.length;
    expect((await failing()).problem).toMatchObject({ code: 'dependency_unavailable' });
    expect(model.requests.length).toBe(asked);
    model.behave({ kind: 'answer', tokens: ['back'] });
    const isAnswered = async () => (await failing()).finish_reason === 'stop';
    const askedAtMs = performance.now();
    await eventually(isAnswered, 'the model to be asked again', 15_000);
    expect(performance.now() - askedAtMs).toBeGreaterThan(8000);
  });

  it('a node that takes a run over asks it to continue after the text that was sent', async () => {
    const doomed = await cluster.addNode();
    const tokens = Array.from({ length: 200 }, (_, index) => `${index} `);
    let before = 0;
    const { id, user } = chat;
    const asking = { id, socket: await TestSocket.open(doomed, user) };
    const { run_id } = await askWriter(cluster, doomed, asking, 'Count.', () => {
      model.behave({ kind: 'answer', tokens, paceMs: 20 }, { kind: 'answer', tokens: ['and so on.'] });
      before = model.requests.length;
    });
    for (let frames = 0; frames < 4; frames++)
      await chat.socket.next('message.delta', ({ data }) => data.run_id === run_id);
    await doomed.kill();
    const takeover = await chat.socket.next('run.takeover', () => true, 3000);
    const end = await endOf(chat.socket, run_id);
    const { body } = await model.request(before + 1);
    const written = tokens.join('').slice(0, takeover.data.offset);
    expect(body.messages.slice(-2)).toMatchObject([
      { role: 'user', content: 'Count.' },
      { role: 'assistant', content: written },
    ]);
    expect(textOf(chat.socket, end.message_id)).toBe(`${written}and so on.`);
    expect(end).toMatchObject({ finish_reason: 'stop', ...proofOf(`${written}and so on.`) });
    expect((await history(chat)).filter((message) => message.run_id === run_id)).toHaveLength(1);
  });

  it("a cancellation from another node aborts the model's stream", async () => {
    model.behave({
      kind: 'answer',
      tokens: Array.from({ length: 500 }, (_, index) => `${index} `),
      paceMs: 20,
    });
    const before = model.requests.length;
    const { run_id } = await ask(chat, 'Count.');
    const request = await model.request(before);
    await chat.socket.next('message.delta');
    const elsewhere = await TestSocket.open(await cluster.addNode(), chat.user);
    expect(await elsewhere.send('run.cancel', { run_id })).toMatchObject({ type: 'run.cancelled' });
    expect(await request.ended).toBe('aborted');
    await Promise.all([elsewhere.close(), endOf(chat.socket, run_id)]);
  });
});
