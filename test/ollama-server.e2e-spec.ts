import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { Ollama, type ChatResponse } from 'ollama';
import { OllamaServer } from './support/ollama-server.js';

/** The official client checks that the model server of our tests speaks the real protocol. */
describe('the test model server, seen by the official Ollama client', () => {
  let server: OllamaServer;
  let client: Ollama;
  const messages = [{ role: 'user', content: 'hi' }];
  const chat = (model = 'test-model') => client.chat({ model, messages, stream: true });

  beforeEach(async () => {
    server = await OllamaServer.start();
    client = new Ollama({ host: server.url });
  });
  afterEach(() => server.stop());

  it('streams tokens and ends with the reason and the counts', async () => {
    server.behave({ kind: 'answer', tokens: ['Grüß', ' dich', ' 👋'], doneReason: 'length' });
    const parts: ChatResponse[] = [];
    for await (const part of await chat()) parts.push(part);
    expect(parts.map((part) => part.message.content).join('')).toBe('Grüß dich 👋');
    expect(parts.every((part) => part.message.role === 'assistant' && part.model === 'test-model')).toBe(
      true,
    );
    expect(parts.map((part) => part.done)).toEqual([false, false, false, true]);
    expect(parts.at(-1)).toMatchObject({ done_reason: 'length', prompt_eval_count: 11, eval_count: 3 });
    await expect(server.requests[0]?.ended).resolves.toBe('answered');
  });

  it('answers in one document when no stream is requested', async () => {
    server.behave({ kind: 'answer', tokens: ['one', ' two'], thinking: ['hm'] });
    const answer = await client.chat({ model: 'test-model', messages });
    expect(answer.message).toEqual({ role: 'assistant', content: 'one two', thinking: 'hm' });
    expect(answer.done).toBe(true);
  });

  it('sends thoughts and tool calls', async () => {
    server.behave({
      kind: 'answer',
      tokens: [],
      thinking: ['I need', ' the time'],
      toolCalls: [{ name: 'current_time', arguments: { timezone: 'UTC' } }],
    });
    let thinking = '';
    const calls: unknown[] = [];
    for await (const part of await chat()) {
      thinking += part.message.thinking ?? '';
      for (const call of part.message.tool_calls ?? []) calls.push(call.function);
    }
    expect(thinking).toBe('I need the time');
    expect(calls).toMatchObject([{ name: 'current_time', arguments: { timezone: 'UTC' } }]);
  });

  it('lists its models and its version', async () => {
    const { models } = await client.list();
    expect(models.map((model) => model.name)).toEqual(['test-model:latest']);
    expect((await client.version()).version).toMatch(/^\d+\.\d+\.\d+$/);
  });

  it('answers 404 for a model that it does not have', async () => {
    await expect(chat('other')).rejects.toMatchObject({
      name: 'ResponseError',
      status_code: 404,
      error: "model 'other' not found",
    });
  });

  it('reports an error in the middle of a stream', async () => {
    server.behave({ kind: 'error-mid-stream', tokens: ['a'], error: 'out of memory' });
    await expect(drain(await chat())).rejects.toThrow('out of memory');
  });

  it('cuts streams, and ends streams without the last line', async () => {
    server.behave({ kind: 'cut', tokens: ['a'] }, { kind: 'end-without-done', tokens: ['a'] });
    await expect(drain(await chat())).rejects.toThrow('terminated');
    await expect(server.requests[0]?.ended).resolves.toBe('broken');
    await expect(drain(await chat())).rejects.toThrow('Did not receive done');
  });

  it('refuses connections and answers with error statuses', async () => {
    server.behave({ kind: 'refuse' }, { kind: 'status', status: 500, error: 'no room' });
    await expect(chat()).rejects.toThrow('fetch failed');
    await expect(chat()).rejects.toMatchObject({ status_code: 500, error: 'no room' });
  });

  it('notices that a client leaves in the middle of a stream, and when', async () => {
    server.behave({ kind: 'hang-between-tokens', tokens: ['a'] });
    const before = Date.now();
    const stream = await chat();
    for await (const part of stream) {
      expect(part.message.content).toBe('a');
      break;
    }
    stream.abort();
    const request = await server.request(0);
    await expect(request.ended).resolves.toBe('aborted');
    expect(request.abortedAt).toBeGreaterThanOrEqual(before);
  });
});

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  const parts = [];
  for await (const part of stream) parts.push(part);
}
