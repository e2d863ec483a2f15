import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { unstorable } from '../../protocol/text.js';
import type { Fault } from '../../test/support/model-response.js';
import { OpenAiServer } from '../../test/support/openai-server.js';
import { within } from '../../test/support/waiting.js';
import { AppError } from '../errors/app-error.js';
import type { ModelResponder, ModelSettings } from './model/model.responder.js';
import { OpenAiResponder, type OpenAiSettings } from './openai/openai.responder.js';
import type { ResponderPart, ResponderRequest, ToolCall } from './contract/responder.js';
import { OllamaResponder } from './ollama/ollama.responder.js';
import type { RecordedRequest } from '../../test/support/model-server.js';
import { OllamaServer } from '../../test/support/ollama-server.js';

/** What both stand-ins for a model server can do. */
interface StandIn {
  readonly url: string;
  readonly requests: readonly RecordedRequest<ChatBody>[];
  behave(...behaviours: (PlainAnswer | Fault)[]): void;
  request(index: number): Promise<RecordedRequest<ChatBody>>;
  stop(): Promise<void>;
}

interface ChatBody {
  model: string;
  messages: { role: string; content: string; tool_calls?: unknown[] }[];
}

interface PlainAnswer {
  kind: 'answer';
  tokens?: readonly string[];
  thinking?: readonly string[];
  toolCalls?: readonly { name: string; arguments: Record<string, unknown> }[];
  paceMs?: number;
}

/** One protocol: its stand-in, its responder, and the pieces of its streams. */
interface ModelApi {
  name: string;
  start(models: readonly string[]): Promise<StandIn>;
  open(settings: ModelSettings): ModelResponder;
  /** What an answer's stream says of one piece. */
  piece(content: string | null): string;
  /** The end of a stream. */
  end(reason: 'stop' | 'length'): string;
  /** Says that the server is alive, and nothing else. */
  keepAlive: string;
  /** A whole answer in one document. */
  document(content: string): string;
}

const ollama: ModelApi = {
  name: 'Ollama',
  start: (models) => OllamaServer.start(models.map((name) => `${name}:latest`)),
  open: (settings) => new OllamaResponder(settings),
  piece: (content) => `${JSON.stringify({ message: { role: 'assistant', content }, done: false })}\n`,
  end: (done_reason) => `${JSON.stringify({ message: { content: '' }, done: true, done_reason })}\n`,
  keepAlive: '\n',
  document: (content) => JSON.stringify({ message: { content }, done: true, done_reason: 'stop' }),
};

const openAi: ModelApi = {
  name: 'OpenAI',
  start: (models) => OpenAiServer.start(models),
  open: (settings) => new OpenAiResponder(settings),
  piece: (content) => openAiEvent({ index: 0, delta: { content }, finish_reason: null }),
  end: (finish_reason) => `${openAiEvent({ index: 0, delta: {}, finish_reason })}data: [DONE]\n\n`,
  keepAlive: ': keep-alive\n\n',
  document: (content) => {
    const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
    return JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion', created: 1, model: 'm', choices });
  },
};

const MODEL_APIS: readonly ModelApi[] = [ollama, openAi];

/** One `chat.completion.chunk`. */
function openAiEvent(choice: object): string {
  const frame = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1, model: 'm' };
  return `data: ${JSON.stringify({ ...frame, choices: [choice] })}\n\n`;
}

const LIMITS = { firstTokenMs: 250, silenceMs: 250 };
const MODELS = ['test-model', 'another-model'];
const GREETING = 'Hello from the test model.';
const PAGE = '<html><body>Bad gateway</body></html>';

describe.each(MODEL_APIS)('a responder that speaks to $name', (api) => {
  let server: StandIn;
  let responder: ModelResponder;
  let abort: AbortController;
  const { piece, keepAlive } = api;
  const end = api.end('stop');
  const open = (settings: Partial<ModelSettings> = {}) =>
    api.open({ url: server.url, model: 'test-model', ...LIMITS, ...settings });
  const run = (over: Partial<ResponderRequest> = {}) =>
    outcome(responder.respond({ ...requestWith(abort.signal), ...over }));
  const bytes = (chunks: (string | Uint8Array)[], contentType?: string): Fault => {
    return { kind: 'bytes', chunks, ...(contentType !== undefined && { contentType }) };
  };

  beforeEach(async () => {
    server = await api.start(MODELS);
    responder = open();
    abort = new AbortController();
  });
  afterEach(async () => {
    responder.onModuleDestroy();
    await server.stop();
  });

  describe('time limits', () => {
    it.each<[string, Fault]>([
      ['that sends nothing', { kind: 'hang-before-headers' }],
      [
        'that only says that it is alive',
        { kind: 'bytes', chunks: Array<string>(40).fill(keepAlive), paceMs: 20 },
      ],
    ])('waits a limited time for the first token of a server %s', async (_name, behaviour) => {
      server.behave(behaviour);
      expectFailure(await run(), '', 'the first token within 250 ms');
      await expect(server.requests[0]?.ended).resolves.toBe('aborted');
    });

    it('waits a limited time for the next token', async () => {
      server.behave({ kind: 'hang-between-tokens', tokens: ['a'] });
      expectFailure(await run(), 'a', 'a token within 250 ms');
      await expect(server.requests[0]?.ended).resolves.toBe('aborted');
    });

    it('counts any byte as a sign that the model still writes', async () => {
      const chunks = [piece('a'), ...Array<string>(8).fill(keepAlive), piece('b'), end];
      server.behave({ kind: 'bytes', chunks, paceMs: 60 });
      expectAnswer(await run(), 'ab');
    });

    it('counts a thought as the first token and as a sign that the model still writes', async () => {
      const thinking = Array<string>(8).fill('hm ');
      server.behave({ kind: 'answer', thinking, tokens: ['yes'], paceMs: 60 });
      expectAnswer(await run(), 'yes');
    });

    it('counts a thought within the content like any other', async () => {
      const tokens = ['<think>', ...Array<string>(8).fill('hm '), '</think>', 'yes'];
      server.behave({ kind: 'answer', tokens, paceMs: 60 });
      expectAnswer(await run(), 'yes');
    });
  });

  describe('a failed answer', () => {
    it.each<[string, Fault, string]>([
      ['is cut', { kind: 'cut', tokens: ['a', 'b'] }, 'the connection failed: ECONNRESET'],
      ['ends too early', { kind: 'end-without-done', tokens: ['a', 'b'] }, 'the stream ended without it'],
      [
        'ends with an error',
        { kind: 'error-mid-stream', tokens: ['a', 'b'], error: 'no memory' },
        'no memory',
      ],
      ['turns into junk', { kind: 'junk', tokens: ['a', 'b'], junk: '<html>' }, 'something else came'],
    ])('keeps the text that came before it %s', async (_name, behaviour, detail) => {
      server.behave(behaviour);
      expectFailure(await run(), 'ab', detail);
      expect(server.requests).toHaveLength(1);
    });

    it('fails when the server closes the connection before the headers', async () => {
      server.behave({ kind: 'refuse' });
      expectFailure(await run(), '', 'the connection failed: ECONNRESET');
    });

    it.each([
      ['no token', [], ''],
      ['an empty token', [''], ''],
      ['white space', [' ', '\n\n', '\t'], ' \n\n\t'],
      ['thoughts within the content', ['<think>hm', '</think>', '\n\n'], ''],
      ['thoughts within the content that never end', ['<think>hm'], ''],
    ])('fails when it holds no word: %s', async (_name, tokens, text) => {
      server.behave({ kind: 'answer', tokens });
      expectFailure(await run(), text, 'expected words');
    });

    it('fails when it holds no word: thoughts in their own field', async () => {
      server.behave({ kind: 'answer', thinking: ['hm'], tokens: [] });
      expectFailure(await run(), '', 'only thoughts came');
    });

    it('fails when the length limit was reached before the first word', async () => {
      server.behave(bytes([api.end('length')]));
      expectFailure(await run(), '', '"length"');
    });
  });

  describe('the stream', () => {
    const emphatic = 'Grüße 👋🏽 €';

    it('may be split at every byte', async () => {
      const whole = Buffer.from(piece(emphatic) + piece('!') + end);
      server.behave(bytes(Array.from(whole, (byte) => Uint8Array.of(byte))));
      expectAnswer(await run(), `${emphatic}!`);
    });

    it('may come in one piece', async () => {
      server.behave(bytes([piece(emphatic) + piece('!') + end]));
      expectAnswer(await run(), `${emphatic}!`);
    });

    it('may end lines with CRLF, split between the two', async () => {
      const whole = (piece('a') + piece('b') + end).replaceAll('\n', '\r\n');
      server.behave(bytes(whole.split(/(?<=\r)/u)));
      expectAnswer(await run(), 'ab');
    });

    it('may hold null as content', async () => {
      server.behave(bytes([piece(null), piece('a'), piece(null), end]));
      expectAnswer(await run(), 'a');
    });

    it('may split a surrogate pair between two tokens, which the parts join again', async () => {
      server.behave(bytes([piece('x\ud83d'), piece('\udc4b'), end]));
      const { parts } = await run();
      expect(parts.filter(({ kind }) => kind === 'text')).toEqual([
        { kind: 'text', text: 'x' },
        { kind: 'text', text: '👋' },
      ]);
    });

    it('may contain NUL in text and thoughts, which is replaced', async () => {
      server.behave({ kind: 'answer', thinking: ['h\0m'], tokens: ['a\0b'] });
      const { parts } = await run();
      expect(parts.flatMap((part) => ('text' in part ? [part.text] : []))).toEqual(['h\ufffdm', 'a\ufffdb']);
    });

    it.each(['text/plain; charset=utf-8', 'application/json', 'application/octet-stream'])(
      'is an answer under the content type %s, too',
      async (contentType) => {
        server.behave(bytes([piece('a'), piece('b'), end], contentType));
        expectAnswer(await run(), 'ab');
      },
    );

    it('may be one document', async () => {
      server.behave(bytes([api.document('Hello there')], 'application/json'));
      expectAnswer(await run(), 'Hello there');
    });

    it('may be an error under status 200', async () => {
      server.behave(bytes(['{"error":"the model has crashed"}'], 'application/json'));
      expectFailure(await run(), '', 'the model has crashed');
    });

    it('ends with the reason and the usage', async () => {
      server.behave({ kind: 'answer', tokens: ['a', 'b', 'c'] });
      const { parts } = await run();
      expect(parts.at(-1)).toEqual({
        kind: 'end',
        finishReason: 'stop',
        usage: { prompt_tokens: 11, completion_tokens: 3 },
      });
    });

    it('tells that the model reached its length limit', async () => {
      server.behave(bytes([piece('a'), api.end('length')]));
      expect((await run()).parts.at(-1)).toMatchObject({ kind: 'end', finishReason: 'length' });
    });
  });

  describe('thoughts', () => {
    const thoughts = ' I wonder…\n';

    it('in a field of their own are progress and no text', async () => {
      server.behave({ kind: 'answer', thinking: ['I ', 'wonder'], tokens: ['yes'] });
      const { parts, error } = await run();
      expect(error).toBeUndefined();
      expect(parts.slice(0, -1)).toEqual([
        { kind: 'progress', state: 'thinking', text: 'I ' },
        { kind: 'progress', state: 'thinking', text: 'wonder' },
        { kind: 'text', text: 'yes' },
      ]);
    });

    it.each(['<think>', '<thinking>'])(
      'at the beginning of the content are progress and no text, wherever it is split: %s',
      async (tag) => {
        const whole = `\n${tag}${thoughts}${tag.replace('<', '</')}\n\nyes`;
        const cuts = Array.from({ length: whole.length + 1 }, (_, at) => [
          whole.slice(0, at),
          whole.slice(at),
        ]);
        for (const tokens of [...cuts, [...whole]]) {
          server.behave({ kind: 'answer', tokens });
          const { parts, error } = await run();
          expect({ error, text: textOf(parts), thoughts: thoughtsOf(parts) }).toEqual({
            error: undefined,
            text: 'yes',
            thoughts,
          });
        }
      },
    );

    it.each(['See <think>this</think>.', '<thinner>', '< 5', '<', 'a <think>'])(
      'are not looked for in %j',
      async (text) => {
        for (const tokens of [[text], [...text]]) {
          server.behave({ kind: 'answer', tokens });
          const outcome = await run();
          expectAnswer(outcome, text);
          expect(thoughtsOf(outcome.parts)).toBe('');
        }
      },
    );
  });

  describe('tools', () => {
    const search = { name: 'conversation_search', arguments: { query: 'a "b" {c} 👋', limit: 2 } };
    const time = { name: 'current_time', arguments: {} };

    it('are called once, and the answer goes on', async () => {
      server.behave(
        { kind: 'answer', tokens: ['Let me look.'], toolCalls: [search] },
        { kind: 'answer', tokens: [' Found', ' it.'] },
      );
      const { calls, callTool } = recorder();
      const result = await run({ callTool });
      expectAnswer(result, 'Let me look. Found it.');
      expect(calls).toEqual([{ id: expect.any(String), ...search }]);
      expect(result.parts.at(-1)).toMatchObject({ usage: { prompt_tokens: 22, completion_tokens: 3 } });
      const { messages } = (await server.request(1)).body;
      expect(messages.slice(-2)).toMatchObject([
        { role: 'assistant', content: 'Let me look.', tool_calls: [{ function: { name: search.name } }] },
        { role: 'tool', content: '{"output":"conversation_search"}' },
      ]);
    });

    it('are called in order when there are several at once', async () => {
      server.behave({ kind: 'answer', tokens: [], toolCalls: [search, time, search] }, { kind: 'answer' });
      const { calls, callTool } = recorder();
      expectAnswer(await run({ callTool }), GREETING);
      expect(calls).toMatchObject([search, time, search]);
      expect(new Set(calls.map(({ id }) => id)).size).toBe(3);
      const { messages } = (await server.request(1)).body;
      expect(messages.slice(-3).map(({ role }) => role)).toEqual(['tool', 'tool', 'tool']);
      expect(messages.at(-4)?.tool_calls).toHaveLength(3);
    });

    it('leave an answer without a word a failure', async () => {
      server.behave({ kind: 'answer', tokens: [], toolCalls: [time] }, { kind: 'answer', tokens: [] });
      expectFailure(await run({ callTool: recorder().callTool }), '', 'expected words');
    });
  });

  describe('a cancelled answer', () => {
    const reason = new Error('cancelled by the user');

    it.each<[string, Fault, number]>([
      ['before the headers', { kind: 'hang-before-headers' }, 0],
      ['in the middle of the stream', { kind: 'hang-between-tokens', tokens: ['a'] }, 1],
    ])('reaches the server within a second: %s', async (_name, behaviour, partsBefore) => {
      responder = open({ firstTokenMs: 30_000, silenceMs: 30_000 });
      server.behave(behaviour);
      const stream = responder.respond(requestWith(abort.signal))[Symbol.asyncIterator]();
      for (let part = 0; part < partsBefore; part++) await stream.next();
      const next = expect(stream.next()).rejects.toBe(reason);
      const { ended } = await server.request(0);
      abort.abort(reason);
      await next;
      await expect(within(ended, 'the server to notice', 1000)).resolves.toBe('aborted');
    });

    it('does not ask a busy server again', async () => {
      server.behave({ kind: 'status', status: 503, error: 'busy', headers: { 'retry-after': '5' } });
      const stream = responder.respond(requestWith(abort.signal))[Symbol.asyncIterator]();
      expect(await stream.next()).toMatchObject({ value: { kind: 'progress', state: 'waiting' } });
      const next = expect(stream.next()).rejects.toBe(reason);
      abort.abort(reason);
      await within(next, 'the end of the wait', 1000);
      expect(server.requests).toHaveLength(1);
    });
  });

  describe('a refusal', () => {
    const busy = (status: number, seconds: number | string): Fault => {
      return { kind: 'status', status, error: 'too busy', headers: { 'retry-after': String(seconds) } };
    };

    it.each([429, 503])('with status %i and Retry-After is followed by another request', async (status) => {
      server.behave(busy(status, 0), busy(status, 0), { kind: 'answer' });
      const result = await run();
      expectAnswer(result, GREETING);
      const waits = result.parts.filter(({ kind }) => kind === 'progress');
      expect(waits).toEqual(Array(2).fill({ kind: 'progress', state: 'waiting' }));
      expect(server.requests).toHaveLength(3);
    });

    it('is followed by another request no sooner than the server asked for', async () => {
      server.behave(busy(503, 1), { kind: 'answer' });
      const beganMs = performance.now();
      expectAnswer(await run(), GREETING);
      expect(performance.now() - beganMs).toBeGreaterThanOrEqual(990);
    });

    it('is final when the server wants a longer wait than a user would have', async () => {
      server.behave(busy(429, 3600));
      expectFailure(await run(), '', '429 came: "too busy"');
      expect(server.requests).toHaveLength(1);
    });

    it('is final when the server stays busy', async () => {
      responder = open({ busyMs: 350 });
      server.behave(busy(503, 0));
      expectFailure(await run(), '', '503 came: "too busy"');
      expect(server.requests.length).toBeGreaterThan(1);
    });

    it('with a date in Retry-After is understood', async () => {
      server.behave(busy(503, new Date(Date.now() - 1000).toUTCString()), { kind: 'answer' });
      expectAnswer(await run(), GREETING);
    });

    it('for a missing model names it', async () => {
      responder = open({ model: 'absent' });
      const result = await run();
      expectFailure(result, '', '"absent"');
      expectFailure(result, '', '404');
      expect(server.requests).toHaveLength(1);
    });

    it.each([
      [200, 'text/html'],
      [502, '502'],
    ])("by a proxy's page with status %i is no answer", async (status, detail) => {
      server.behave({ kind: 'page', status, html: PAGE });
      expectFailure(await run(), '', detail);
    });

    it.each([400, 401, 500])('with status %i is final and says why', async (status) => {
      server.behave({ kind: 'status', status, error: 'because' });
      expectFailure(await run(), '', `${status} came: "because"`);
      expect(server.requests).toHaveLength(1);
    });
  });

  describe('a takeover', () => {
    const written = 'The quick brown fox jumps over the lazy dog';

    it('goes on where the text ends', async () => {
      server.behave({ kind: 'answer', tokens: [' world', '.'] });
      expectAnswer(await run({ written: 'Hello' }), ' world.');
      expect((await server.request(0)).body.messages.at(-1)).toEqual({
        role: 'assistant',
        content: 'Hello',
      });
    });

    it('does not repeat the text of a server that begins again, wherever it is split', async () => {
      const whole = 'Hello world';
      for (let at = 0; at <= whole.length; at++) {
        server.behave({ kind: 'answer', tokens: [whole.slice(0, at), whole.slice(at)] });
        expectAnswer(await run({ written: 'Hello' }), ' world');
      }
      server.behave({ kind: 'answer', tokens: [...whole] });
      expectAnswer(await run({ written: 'Hello' }), ' world');
    });

    it.each([
      ['all of it', `${written} and sleeps.`],
      ['its last words', 'over the lazy dog and sleeps.'],
    ])('does not repeat the text of a server that repeats %s', async (_name, text) => {
      for (const tokens of [[text], [...text], text.split(/(?= )/u)]) {
        server.behave({ kind: 'answer', tokens });
        expectAnswer(await run({ written }), ' and sleeps.');
      }
    });

    it('does not repeat the text when the server thinks before it begins again', async () => {
      server.behave({ kind: 'answer', tokens: ['<think>hm', '</think>\n', 'Hel', 'lo world'] });
      expectAnswer(await run({ written: 'Hello' }), ' world');
    });

    it('may have nothing to add', async () => {
      server.behave({ kind: 'answer', tokens: [] });
      expectAnswer(await run({ written: 'Hello.' }), '');
    });

    it('fails when the server begins again with other words', async () => {
      server.behave({ kind: 'answer', tokens: [`${written.slice(0, -3)}cat and sleeps.`] });
      expectFailure(await run({ written }), '', 'other words');
    });
  });

  describe('the check', () => {
    it('finds the model', async () => {
      await expect(responder.check()).resolves.toBe('ready');
    });

    it('names a model that is missing', async () => {
      const check = open({ model: 'absent' }).check();
      await expect(check).rejects.toMatchObject({
        code: 'dependency_unavailable',
        detail: expect.stringContaining('"absent"'),
      });
    });

    it('fails when the server is unreachable', async () => {
      const url = server.url.replace(/:\d+/u, ':9');
      await expect(open({ url }).check()).rejects.toMatchObject({
        code: 'dependency_unavailable',
        detail: expect.stringContaining('ECONNREFUSED'),
      });
    });
  });
});

describe('OpenAiResponder', () => {
  let server: OpenAiServer;
  let responder: OpenAiResponder;
  const apiKey = 'sk-secret-0123456789';
  const open = (settings: Partial<OpenAiSettings> = {}) =>
    new OpenAiResponder({ url: server.url, model: 'test-model', ...LIMITS, ...settings });
  const run = (over: Partial<ResponderRequest> = {}) =>
    outcome(responder.respond({ ...requestWith(new AbortController().signal), ...over }));

  beforeEach(async () => {
    server = await OpenAiServer.start(MODELS);
    responder = open();
  });
  afterEach(async () => {
    responder.onModuleDestroy();
    await server.stop();
  });

  it('asks for a stream with its usage', async () => {
    await run();
    const { body } = await server.request(0);
    expect(body).toMatchObject({
      model: 'test-model',
      stream: true,
      stream_options: { include_usage: true },
    });
    expect(body.tools).toHaveLength(2);
  });

  it('sends the key in the header and nowhere else', async () => {
    responder = open({ apiKey });
    expectAnswer(await run(), GREETING);
    const { headers, body } = await server.request(0);
    expect(headers.authorization).toBe(`Bearer ${apiKey}`);
    expect(JSON.stringify([{ ...headers, authorization: '' }, body])).not.toContain(apiKey);
  });

  it('sends no such header without a key', async () => {
    await run();
    expect((await server.request(0)).headers).not.toHaveProperty('authorization');
  });

  it('does not name the key when it is refused, even if the server does', async () => {
    responder = open({ apiKey });
    server.behave({ kind: 'status', status: 401, error: `Incorrect API key provided: ${apiKey}` });
    const { error } = await run();
    expect(error).toMatchObject({ detail: expect.stringContaining('401') });
    expect((error as AppError).detail).not.toContain(apiKey);
    expect(String((error as AppError).cause)).not.toContain(apiKey);
  });

  it('reads thoughts from the field "reasoning", too', async () => {
    server.behave({ kind: 'answer', thinking: ['hm'], thinkingField: 'reasoning', tokens: ['yes'] });
    const result = await run();
    expectAnswer(result, 'yes');
    expect(thoughtsOf(result.parts)).toBe('hm');
  });

  it('gives each result of a tool the id of its call', async () => {
    const calls = [
      { name: 'current_time', arguments: {} },
      { name: 'conversation_search', arguments: { query: 'x' } },
    ];
    server.behave({ kind: 'answer', tokens: [], toolCalls: calls }, { kind: 'answer' });
    expectAnswer(await run({ callTool: recorder().callTool }), GREETING);
    const { messages } = (await server.request(1)).body;
    const called = messages.at(-3)?.tool_calls as { id: string; function: { arguments: string } }[];
    expect(called.map((call) => JSON.parse(call.function.arguments) as unknown)).toEqual([
      {},
      { query: 'x' },
    ]);
    expect(messages.slice(-2).map((message) => message.tool_call_id)).toEqual(called.map(({ id }) => id));
  });

  it('joins tool calls whose pieces alternate', async () => {
    const delta = (index: number, called: object, rest: object = {}) =>
      openAiEvent({ index: 0, delta: { tool_calls: [{ index, ...rest, function: called }] } });
    const chunks = [
      delta(0, { name: 'current_time', arguments: '' }, { id: 'a', type: 'function' }),
      delta(1, { name: 'conversation_search', arguments: '{"que' }, { id: 'b', type: 'function' }),
      delta(0, { arguments: '{"timezone":' }),
      delta(1, { arguments: 'ry":"x"}' }),
      delta(0, { arguments: '"UTC"}' }),
      `${openAiEvent({ index: 0, delta: {}, finish_reason: 'tool_calls' })}data: [DONE]\n\n`,
    ];
    server.behave({ kind: 'bytes', chunks }, { kind: 'answer' });
    const { calls, callTool } = recorder();
    expectAnswer(await run({ callTool }), GREETING);
    expect(calls).toMatchObject([
      { name: 'current_time', arguments: { timezone: 'UTC' } },
      { name: 'conversation_search', arguments: { query: 'x' } },
    ]);
  });

  it('is warmed up by the first words of an answer, which are then left', async () => {
    server.behave({ kind: 'answer', tokens: Array<string>(50).fill('word '), paceMs: 100 });
    await responder.warmUp();
    expect(await server.requests.at(-1)?.ended).toBe('aborted');
    server.behave({ kind: 'status', status: 404, error: 'no such model' });
    await expect(responder.warmUp()).rejects.toMatchObject({ code: 'dependency_unavailable' });
  });

  it('takes thoughts from either field', async () => {
    const delta = { reasoning_content: '', reasoning: 'hm', content: '' };
    const chunk = openAiEvent({ index: 0, delta, finish_reason: null });
    const last = openAiEvent({ index: 0, delta: { content: 'Hello' }, finish_reason: 'stop' });
    server.behave({ kind: 'bytes', chunks: [chunk, last, 'data: [DONE]\n\n'] });
    expect((await run()).parts).toMatchObject([
      { kind: 'progress', state: 'thinking', text: 'hm' },
      { kind: 'text', text: 'Hello' },
      { kind: 'end' },
    ]);
  });

  it('counts a piece of a tool call as the first token', async () => {
    const query = 'x'.repeat(40);
    server.behave(
      {
        kind: 'answer',
        tokens: [],
        toolCalls: [{ name: 'conversation_search', arguments: { query } }],
        paceMs: 60,
      },
      { kind: 'answer' },
    );
    expectAnswer(await run({ callTool: recorder().callTool }), GREETING);
  });

  it.each(['{"query":', '"x"', '[]'])('fails for a tool call with the arguments %s', async (given) => {
    const called = { index: 0, id: 'a', function: { name: 'conversation_search', arguments: given } };
    const chunk = openAiEvent({ index: 0, delta: { tool_calls: [called] }, finish_reason: 'tool_calls' });
    server.behave({ kind: 'bytes', chunks: [chunk, 'data: [DONE]\n\n'] });
    expectFailure(await run(), '', '"function.arguments" to be a JSON object');
  });

  it('takes an answer in one document of several lines', async () => {
    const choices = [{ message: { role: 'assistant', content: 'Hello' }, finish_reason: 'stop' }];
    const document = JSON.stringify(
      { object: 'chat.completion', choices, usage: { prompt_tokens: 3 } },
      null,
      2,
    );
    const chunks = document.split(/(?<=\n)/u);
    server.behave({ kind: 'bytes', chunks: ['\n', ...chunks], contentType: 'application/json' });
    const result = await run();
    expectAnswer(result, 'Hello');
    expect(result.parts.at(-1)).toMatchObject({ usage: { prompt_tokens: 3 } });
  });

  it('takes the finish reason for the end when [DONE] does not come', async () => {
    const chunk = openAiEvent({ index: 0, delta: { content: 'a' }, finish_reason: 'stop' });
    server.behave({ kind: 'bytes', chunks: [chunk] });
    expectAnswer(await run(), 'a');
  });

  it('names the reason when a filter left no word', async () => {
    server.behave({ kind: 'answer', tokens: [], finishReason: 'content_filter' });
    expectFailure(await run(), '', '"content_filter"');
  });

  it('asks again without what a server refuses', async () => {
    server.behave(
      { kind: 'status', status: 400, error: 'Unknown parameter: stream_options' },
      { kind: 'answer' },
    );
    expectAnswer(await run(), GREETING);
    expect(server.requests.map(({ body }) => 'stream_options' in body)).toEqual([true, false]);
  });

  it('asks to go on when a server does not continue a message', async () => {
    server.behave(
      { kind: 'status', status: 400, error: 'The last message must be from the user' },
      { kind: 'answer', tokens: [' world'] },
    );
    expectAnswer(await run({ written: 'Hello' }), ' world');
    const { messages } = (await server.request(1)).body;
    expect(messages.slice(-2).map(({ role }) => role)).toEqual(['assistant', 'user']);
  });

  it('is loading while the server loads its model', async () => {
    server.isLoading = true;
    await expect(responder.check()).resolves.toBe('loading');
    server.isLoading = false;
    await expect(responder.check()).resolves.toBe('ready');
  });

  it('waits for a model that is being loaded', async () => {
    responder = open({ firstTokenMs: 10_000 });
    server.isLoading = true;
    const parts: ResponderPart[] = [];
    for await (const part of responder.respond(requestWith(new AbortController().signal))) {
      server.isLoading = false;
      parts.push(part);
    }
    expect(parts[0]).toEqual({ kind: 'progress', state: 'waiting' });
    expect(textOf(parts)).toBe(GREETING);
  });

  it('takes any name of a model from a server with a single one', async () => {
    const single = await OpenAiServer.start(['/models/a.gguf']);
    await expect(open({ url: single.url }).check()).resolves.toBe('ready');
    await single.stop();
  });
});

interface Outcome {
  parts: ResponderPart[];
  error: unknown;
}

function requestWith(signal: AbortSignal): ResponderRequest {
  return {
    conversationId: 'c',
    turns: [{ role: 'user', content: 'hi' }],
    userName: 'Ada',
    written: '',
    signal,
    callTool: () => Promise.reject(new Error('no tool expected')),
  };
}

function recorder(): { calls: ToolCall[]; callTool: ResponderRequest['callTool'] } {
  const calls: ToolCall[] = [];
  const callTool: ResponderRequest['callTool'] = async (call) => {
    calls.push(call);
    return { output: call.name };
  };
  return { calls, callTool };
}

async function outcome(stream: AsyncIterable<ResponderPart>): Promise<Outcome> {
  const parts: ResponderPart[] = [];
  try {
    for await (const part of stream) parts.push(part);
    return { parts, error: undefined };
  } catch (error) {
    return { parts, error };
  }
}

function expectAnswer({ parts, error }: Outcome, text: string): void {
  expect({ error, text: textOf(parts) }).toEqual({ error: undefined, text });
  expect(parts.filter(({ kind }) => kind === 'end')).toHaveLength(1);
  expect(parts.at(-1)?.kind).toBe('end');
  expect(parts.some((part) => part.kind === 'text' && (part.text === '' || unstorable(part.text)))).toBe(
    false,
  );
}

function expectFailure({ parts, error }: Outcome, text: string, detail: string): void {
  expect(textOf(parts)).toBe(text);
  expect(parts.some(({ kind }) => kind === 'end')).toBe(false);
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject({ code: 'dependency_unavailable', detail: expect.stringContaining(detail) });
}

function textOf(parts: readonly ResponderPart[]): string {
  return parts.map((part) => (part.kind === 'text' ? part.text : '')).join('');
}

function thoughtsOf(parts: readonly ResponderPart[]): string {
  return parts.map((part) => (part.kind === 'progress' ? (part.text ?? '') : '')).join('');
}
