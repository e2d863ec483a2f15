import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { OllamaServer } from '../../../test/support/ollama-server.js';
import type { Behaviour } from '../../../test/support/ollama-behaviour.js';
import { AppError } from '../../errors/app-error.js';
import { OllamaResponder } from './ollama.responder.js';
import type { ModelSettings } from '../model/model.responder.js';
import type { ResponderPart, ResponderRequest, ToolCall } from '../contract/responder.js';

const LIMITS = { firstTokenMs: 250, silenceMs: 250, busyMs: 0 };

describe('OllamaResponder', () => {
  let server: OllamaServer;
  let responder: OllamaResponder;
  let abort: AbortController;
  const open = (settings: Partial<ModelSettings> = {}) =>
    new OllamaResponder({ url: server.url, model: 'test-model', ...LIMITS, ...settings });
  const request = (over: Partial<ResponderRequest> = {}): ResponderRequest => ({
    conversationId: 'c',
    turns: [{ role: 'user', content: 'hi' }],
    userName: 'Ada',
    written: '',
    signal: abort.signal,
    callTool: () => Promise.reject(new Error('no tool expected')),
    ...over,
  });
  const answer = (over: Partial<ResponderRequest> = {}) => collect(responder.respond(request(over)));
  const bytes = (...chunks: (string | Uint8Array)[]): Behaviour => ({ kind: 'bytes', chunks });

  beforeEach(async () => {
    server = await OllamaServer.start();
    responder = open();
    abort = new AbortController();
  });
  afterEach(async () => {
    responder.onModuleDestroy();
    await server.stop();
  });

  describe('an answer', () => {
    it('arrives token by token and ends with reason and usage', async () => {
      server.behave({ kind: 'answer', tokens: ['Grüß', ' dich', ' 👋'] });
      expect(await answer()).toEqual([
        { kind: 'text', text: 'Grüß' },
        { kind: 'text', text: ' dich' },
        { kind: 'text', text: ' 👋' },
        { kind: 'end', finishReason: 'stop', usage: { prompt_tokens: 11, completion_tokens: 3 } },
      ]);
    });

    it('sends the turns and offers the tools', async () => {
      const turns = [
        { role: 'user', content: 'a' },
        { role: 'assistant', content: 'b' },
        { role: 'user', content: 'c' },
      ] as const;
      await answer({ turns });
      const { body } = await server.request(0);
      expect(body.model).toBe('test-model');
      expect(body.messages[0]?.role).toBe('system');
      expect(body.messages.slice(1)).toEqual(turns);
      expect(body.tools).toHaveLength(2);
    });

    it('reports that the model reached its length limit', async () => {
      server.behave({ kind: 'answer', doneReason: 'length' });
      expect((await answer()).at(-1)).toMatchObject({ kind: 'end', finishReason: 'length' });
    });

    it('leaves thoughts out, but they reset the timeout', async () => {
      const thinking = Array.from({ length: 8 }, () => 'hm ');
      server.behave({ kind: 'answer', tokens: ['yes'], thinking, paceMs: 50 });
      expect(textOf(await answer())).toBe('yes');
    });

    it('continues from the text that was written', async () => {
      server.behave({ kind: 'answer', tokens: [' world'] });
      expect(textOf(await answer({ written: 'Hello' }))).toBe(' world');
      const { body } = await server.request(0);
      expect(body.messages.at(-1)).toEqual({ role: 'assistant', content: 'Hello' });
    });

    it('is requested below the path in the configured address', async () => {
      responder = open({ url: `${server.url}/proxy` });
      await expect(answer()).rejects.toMatchObject({ detail: expect.stringContaining('404 page not found') });
    });

    it('reuses the connection of the answer before it', async () => {
      await answer();
      await answer();
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1]);
    });

    it('is retried when a kept-alive connection was closed as it was reused', async () => {
      await answer();
      server.behave({ kind: 'refuse' }, { kind: 'answer' });
      expect(textOf(await answer())).toBe('Hello from the test model.');
      expect(server.requests.map(({ connection }) => connection)).toEqual([1, 1, 2]);
    });

    it('does not time out because its reader is slow', async () => {
      server.behave({ kind: 'answer', tokens: ['a', 'b', 'c', 'd'], paceMs: 150 });
      const parts: ResponderPart[] = [];
      for await (const part of responder.respond(request())) {
        parts.push(part);
        if (parts.length > 1) continue;
        // Longer than the limit between tokens: the real time is what is tested.
        await new Promise((resolve) => setTimeout(resolve, LIMITS.silenceMs + 50));
      }
      expect(textOf(parts)).toBe('abcd');
    });
  });

  describe('the stream', () => {
    const line = (content: string) => `{"message":{"content":${JSON.stringify(content)}},"done":false}`;
    const done = '{"message":{"content":""},"done":true,"done_reason":"stop"}';

    it('may split characters and lines anywhere', async () => {
      const whole = Buffer.from(`${line('Grüße')}\n${line(' 👋🏽')}\n${done}\n`);
      server.behave(bytes(...Array.from(whole, (byte) => Uint8Array.of(byte))));
      expect(textOf(await answer())).toBe('Grüße 👋🏽');
    });

    it('may end lines with CRLF, and the last line without a line feed', async () => {
      server.behave(bytes(`${line('a')}\r\n\r\n${line('b')}\r\n${done}`));
      expect(textOf(await answer())).toBe('ab');
    });

    it('may split a surrogate pair between two tokens, which the parts join again', async () => {
      server.behave(bytes(`${line('x\ud83d')}\n${line('\udc4b')}\n${line('\ud83d')}\n${done}\n`));
      const texts = (await answer()).flatMap((part) => (part.kind === 'text' ? [part.text] : []));
      expect(texts).toEqual(['x', '👋', '\ufffd']);
    });

    it('may contain NUL, which is replaced because PostgreSQL cannot store it', async () => {
      server.behave(bytes(`${line('a\0b')}\n${done}\n`));
      expect(textOf(await answer())).toBe('a\ufffdb');
    });

    it('may stay open without data once the answer is done', async () => {
      server.behave({ kind: 'bytes', chunks: [`${line('a')}\n${done}\n`, '\n', '\n'], paceMs: 1000 });
      expect(textOf(await answer())).toBe('a');
      await expect(server.requests[0]?.ended).resolves.toBe('aborted');
    });
  });

  describe('when the model server fails', () => {
    const cases: [string, Behaviour, string, string][] = [
      ['closes the connection', { kind: 'refuse' }, '', 'the connection failed: ECONNRESET'],
      ['hangs before the headers', { kind: 'hang-before-headers' }, '', 'the first token within 250 ms'],
      ['hangs between tokens', { kind: 'hang-between-tokens', tokens: ['a'] }, 'a', 'a token within 250 ms'],
      [
        'is too slow',
        { kind: 'answer', tokens: ['a', 'b'], paceMs: 600 },
        '',
        'the first token within 250 ms',
      ],
      ['cuts the stream', { kind: 'cut', tokens: ['a', 'b'] }, 'ab', 'the connection failed: ECONNRESET'],
      ['ends too early', { kind: 'end-without-done', tokens: ['a'] }, 'a', 'a last line with "done": true'],
      [
        'reports an error',
        { kind: 'error-mid-stream', tokens: ['a'], error: 'oom' },
        'a',
        'it reported "oom"',
      ],
      ['sends junk', { kind: 'junk', tokens: ['a'], junk: '<html>' }, 'a', 'expected a line of JSON'],
      ['sends a list', { kind: 'junk', tokens: ['a'], junk: '[]' }, 'a', 'expected a JSON object'],
      ['sends no "done"', { kind: 'junk', tokens: ['a'], junk: '{}' }, 'a', '"done" to be true or false'],
      ['sends no UTF-8', bytes(Uint8Array.of(0x22, 0xff, 0x22, 0x0a)), '', 'expected a line of UTF-8'],
      ['sends a line without end', bytes('x'.repeat(1024 * 1024 + 1)), '', 'lines of at most 1048576 bytes'],
      [
        'trickles',
        { kind: 'bytes', chunks: Array(40).fill(' '), paceMs: 20 },
        '',
        'the first token within 250 ms',
      ],
      [
        'sends another type',
        { kind: 'bytes', chunks: ['hi'], contentType: 'text/html' },
        '',
        'expected lines of JSON from the model, "text/html" came',
      ],
      ['is overloaded', { kind: 'status', status: 503, error: 'busy' }, '', '503 came: "busy"'],
      [
        'redirects',
        { kind: 'status', status: 302, error: 'moved', headers: { location: 'http://127.0.0.1:9/' } },
        '',
        '302 came: "moved"; redirects are not followed',
      ],
    ];

    it.each(cases)('fails the answer and says why: it %s', async (_name, behaviour, text, detail) => {
      server.behave(behaviour);
      const { parts, error } = await outcome(responder.respond(request()));
      expect(textOf(parts)).toBe(text);
      expect(parts.some((part) => part.kind === 'end')).toBe(false);
      expect(error).toBeInstanceOf(AppError);
      expect(error).toMatchObject({
        code: 'dependency_unavailable',
        detail: expect.stringContaining(detail),
      });
      expect(server.requests).toHaveLength(1);
      await expect(server.requests[0]?.ended).resolves.not.toBe(undefined);
    });

    it('fails the answer if the server is unreachable', async () => {
      await server.stop();
      await expect(answer()).rejects.toMatchObject({ detail: expect.stringContaining('ECONNREFUSED') });
      server = await OllamaServer.start();
    });

    it('names the model that the server does not have', async () => {
      responder = open({ model: 'absent' });
      await expect(answer()).rejects.toMatchObject({
        code: 'dependency_unavailable',
        detail: `expected the model "absent", the model server answered 404 "model 'absent' not found"`,
      });
    });

    it('closes the connection to a server that keeps sending another content type', async () => {
      server.behave({ kind: 'bytes', chunks: Array(60).fill('x'), contentType: 'text/html', paceMs: 1000 });
      await expect(answer()).rejects.toMatchObject({ code: 'dependency_unavailable' });
      await expect(server.requests[0]?.ended).resolves.toBe('aborted');
    });

    it.each(['hang-before-headers', 'hang-between-tokens'] as const)(
      'closes the connection on a timeout: %s',
      async (kind) => {
        server.behave({ kind, tokens: ['a'] });
        await expect(answer()).rejects.toMatchObject({ code: 'dependency_unavailable' });
        await expect(server.requests[0]?.ended).resolves.toBe('aborted');
      },
    );
  });

  describe('an abort', () => {
    const reason = new Error('cancelled by the user');

    it('before the request prevents the request', async () => {
      abort.abort(reason);
      await expect(answer()).rejects.toBe(reason);
      expect(server.requests).toEqual([]);
    });

    it('before the headers stops the model', async () => {
      responder = open({ firstTokenMs: 30_000 });
      server.behave({ kind: 'hang-before-headers' });
      const answered = expect(answer()).rejects.toBe(reason);
      const { ended } = await server.request(0);
      abort.abort(reason);
      await answered;
      await expect(ended).resolves.toBe('aborted');
    });

    it('in the middle of the stream stops the model', async () => {
      responder = open({ silenceMs: 30_000 });
      server.behave({ kind: 'hang-between-tokens', tokens: ['a'] });
      const stream = responder.respond(request());
      expect(await stream.next()).toMatchObject({ value: { text: 'a' } });
      const next = expect(stream.next()).rejects.toBe(reason);
      abort.abort(reason);
      await next;
      await expect(server.requests[0]?.ended).resolves.toBe('aborted');
    });

    it('drops the tokens that have already arrived', async () => {
      const line = '{"message":{"content":"a"},"done":false}\n';
      server.behave(bytes(line + line + line));
      const stream = responder.respond(request());
      await stream.next();
      abort.abort(reason);
      await expect(stream.next()).rejects.toBe(reason);
    });

    it('also happens when the caller leaves the loop', async () => {
      server.behave({ kind: 'hang-between-tokens', tokens: ['a'] });
      const stream = responder.respond(request());
      await stream.next();
      await stream.return();
      await expect(server.requests[0]?.ended).resolves.toBe('aborted');
    });

    it('during a tool ends the answer', async () => {
      server.behave({ kind: 'answer', tokens: [], toolCalls: [{ name: 't', arguments: {} }] });
      const callTool = async () => {
        abort.abort(reason);
        return { output: 1 };
      };
      await expect(answer({ callTool })).rejects.toBe(reason);
      expect(server.requests).toHaveLength(1);
    });
  });

  describe('tools', () => {
    const timeCall = { name: 'current_time', arguments: { timezone: 'UTC' } };

    it('are run, and their results go back to the model', async () => {
      server.behave(
        {
          kind: 'answer',
          tokens: ['Let me', ' look.'],
          toolCalls: [timeCall, { name: 'bad', arguments: {} }],
        },
        { kind: 'answer', tokens: [' Noon.'] },
      );
      const calls: ToolCall[] = [];
      const parts = await answer({
        written: 'Well. ',
        callTool: async (call) => {
          calls.push(call);
          return call.name === 'bad' ? { error: 'no such tool' } : { output: { time: '12:00' } };
        },
      });
      expect(textOf(parts)).toBe('Let me look. Noon.');
      expect(parts.at(-1)).toMatchObject({ usage: { prompt_tokens: 22, completion_tokens: 3 } });
      expect(calls).toMatchObject([timeCall, { name: 'bad', arguments: {} }]);
      expect(new Set(calls.map(({ id }) => id)).size).toBe(2);
      const { body } = await server.request(1);
      expect(body.messages.slice(2)).toMatchObject([
        { role: 'assistant', content: 'Well. Let me look.', tool_calls: [{ function: timeCall }, {}] },
        { role: 'tool', tool_name: 'current_time', content: '{"output":{"time":"12:00"}}' },
        { role: 'tool', tool_name: 'bad', content: '{"error":"no such tool"}' },
      ]);
    });

    it('are offered for five rounds, then the model has to answer', async () => {
      server.behave({ kind: 'answer', tokens: [], toolCalls: [timeCall] });
      const callTool = async () => ({ output: 1 });
      await expect(answer({ callTool })).rejects.toMatchObject({
        code: 'dependency_unavailable',
        detail: expect.stringContaining('5 rounds'),
      });
      expect(server.requests.map(({ body }) => body.tools?.length)).toEqual([2, 2, 2, 2, 2, undefined]);
    });

    it('are left out for a model that does not support them', async () => {
      server.behave(
        { kind: 'status', status: 400, error: 'registry.ollama.ai/library/x does not support tools' },
        { kind: 'answer' },
      );
      expect(textOf(await answer())).toBe('Hello from the test model.');
      await answer();
      expect(server.requests.map(({ body }) => body.tools?.length)).toEqual([2, undefined, undefined]);
    });

    it('receive no NUL from the model', async () => {
      const toolCalls = [{ name: 'a\0', arguments: { 'k\0': ['v\0'] } }];
      server.behave({ kind: 'answer', tokens: [], toolCalls }, { kind: 'answer' });
      const calls: ToolCall[] = [];
      await answer({ callTool: async (call) => ({ output: calls.push(call) }) });
      expect(calls).toMatchObject([{ name: 'a\ufffd', arguments: { 'k\ufffd': ['v\ufffd'] } }]);
    });

    it.each([
      ['a call without a name', [{ function: {} }]],
      ['arguments that are no object', [{ function: { name: 't', arguments: 'x' } }]],
      ['nine calls at once', Array.from({ length: 9 }, () => ({ function: { name: 't' } }))],
    ])('are not run for %s', async (_name, tool_calls) => {
      server.behave(bytes(`${JSON.stringify({ message: { content: '', tool_calls }, done: true })}\n`));
      await expect(answer()).rejects.toMatchObject({ code: 'dependency_unavailable' });
    });
  });

  describe('the check', () => {
    it('passes when the server has the model', async () => {
      await expect(responder.check()).resolves.toBe('ready');
    });

    it('loads the model without a question', async () => {
      await responder.warmUp();
      expect(server.requests).toEqual([]);
    });

    it('names a model that is missing', async () => {
      await expect(open({ model: 'absent' }).check()).rejects.toMatchObject({
        detail: 'expected the model "absent" at the model server, it is not among its 1',
      });
    });

    it('fails when no answer comes within a second', async () => {
      const silent = createServer().listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const { port } = silent.address() as AddressInfo;
      try {
        await expect(open({ url: `http://127.0.0.1:${port}` }).check()).rejects.toMatchObject({
          detail: 'expected an answer within 1000 ms, none came',
        });
      } finally {
        silent.close();
      }
    });

    it('fails when the server is unreachable', async () => {
      await expect(open({ url: 'http://127.0.0.1:9' }).check()).rejects.toMatchObject({
        code: 'dependency_unavailable',
        detail: expect.stringContaining('ECONNREFUSED'),
      });
    });
  });
});

async function collect(parts: AsyncIterable<ResponderPart>): Promise<ResponderPart[]> {
  const collected: ResponderPart[] = [];
  for await (const part of parts) collected.push(part);
  return collected;
}

async function outcome(
  stream: AsyncIterable<ResponderPart>,
): Promise<{ parts: ResponderPart[]; error: unknown }> {
  const parts: ResponderPart[] = [];
  try {
    for await (const part of stream) parts.push(part);
    return { parts, error: undefined };
  } catch (error) {
    return { parts, error };
  }
}

function textOf(parts: ResponderPart[]): string {
  return parts.map((part) => (part.kind === 'text' ? part.text : '')).join('');
}
