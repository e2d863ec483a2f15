import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { unstorable } from '../../../protocol/text.js';
import type { Turn } from './responder.js';
import { ToolBoxService } from './tool-box.service.js';

const tools = new ToolBoxService();
const call = (name: string, given: Record<string, unknown>, turns: readonly Turn[] = []) =>
  tools.call({ name, arguments: given }, { turns });

afterEach(() => {
  jest.useRealTimers();
});

describe('the definitions of the tools', () => {
  it("are in Ollama's format, each with a JSON Schema", () => {
    expect(tools.definitions()).toMatchObject([
      {
        type: 'function',
        function: {
          name: 'current_time',
          description: expect.any(String),
          parameters: {
            type: 'object',
            properties: { timezone: { type: 'string' } },
            additionalProperties: false,
          },
        },
      },
      {
        type: 'function',
        function: {
          name: 'conversation_search',
          parameters: {
            properties: { query: { type: 'string' }, limit: { type: 'integer' } },
            required: ['query'],
          },
        },
      },
    ]);
  });
});

describe('current_time', () => {
  it.each([
    [{}, '2026-07-01T12:00:05Z', 'UTC'],
    [{ timezone: 'UTC' }, '2026-07-01T12:00:05Z', 'UTC'],
    [{ timezone: 'Europe/Berlin' }, '2026-07-01T14:00:05+02:00', 'Europe/Berlin'],
    [{ timezone: 'America/St_Johns' }, '2026-07-01T09:30:05-02:30', 'America/St_Johns'],
    [{ timezone: 'Asia/Kathmandu' }, '2026-07-01T17:45:05+05:45', 'Asia/Kathmandu'],
    [{ timezone: 'Pacific/Kiritimati' }, '2026-07-02T02:00:05+14:00', 'Pacific/Kiritimati'],
  ])('answers %j', async (given, time, timezone) => {
    jest.useFakeTimers({ now: new Date('2026-07-01T12:00:05.678Z'), doNotFake: ['setTimeout', 'nextTick'] });
    expect(await call('current_time', given)).toEqual({ output: { time, timezone } });
  });

  it.each([
    [
      { timezone: 'Mars/Base' },
      '"timezone": must be an IANA time zone such as "Europe/Berlin", not "Mars/Base"',
    ],
    [{ timezone: '' }, 'must be an IANA time zone'],
    [{ timezone: 5 }, '"timezone"'],
    [{ zone: 'UTC' }, 'zone'],
  ])('says what is wrong with %j', async (given, error) => {
    expect(await call('current_time', given)).toEqual({ error: expect.stringContaining(error) });
  });
});

describe('conversation_search', () => {
  const turns: Turn[] = [
    { role: 'user', content: 'I like Äpfel (red)' },
    { role: 'assistant', content: 'ÄPFEL are fine.' },
    { role: 'user', content: 'search for äpfel' },
  ];

  it('finds earlier messages without regard to case, and not the question itself', async () => {
    expect(await call('conversation_search', { query: 'äpfel' }, turns)).toEqual({
      output: {
        query: 'äpfel',
        total: 2,
        matches: [
          { position: 1, role: 'user', excerpt: 'I like Äpfel (red)' },
          { position: 2, role: 'assistant', excerpt: 'ÄPFEL are fine.' },
        ],
      },
    });
  });

  it('treats the query as text, not as a pattern', async () => {
    expect(await call('conversation_search', { query: '(red)' }, turns)).toMatchObject({
      output: { total: 1 },
    });
    expect(await call('conversation_search', { query: '.*' }, turns)).toMatchObject({ output: { total: 0 } });
    expect(await call('conversation_search', { query: '[-\\/^$' }, turns)).toMatchObject({
      output: { total: 0 },
    });
  });

  it('returns as many matches as asked for and counts all', async () => {
    const { output } = (await call('conversation_search', { query: 'äpfel', limit: 1 }, turns)) as {
      output: { total: number; matches: unknown[] };
    };
    expect(output.total).toBe(2);
    expect(output.matches).toHaveLength(1);
  });

  it('cuts a long message around the match, between characters', async () => {
    const content = `${'👋'.repeat(300)}needle${'👋'.repeat(300)}`;
    const { output } = (await call('conversation_search', { query: 'NEEDLE' }, [
      { role: 'user', content: `x${content}` },
      { role: 'user', content: '?' },
    ])) as { output: { matches: { excerpt: string }[] } };
    const excerpt = output.matches[0]?.excerpt ?? '';
    expect(excerpt).toMatch(/^….*needle.*…$/u);
    expect(unstorable(excerpt)).toBe(false);
    expect(excerpt.length).toBeLessThanOrEqual(162);
  });

  it('accepts a function that returns the turns', async () => {
    const outcome = await tools.call(
      { name: 'conversation_search', arguments: { query: 'fine' } },
      { turns: async () => turns },
    );
    expect(outcome).toMatchObject({ output: { total: 1 } });
  });

  it.each([
    {},
    { query: '' },
    { query: '  ' },
    { query: 'x'.repeat(201) },
    { query: 'x', limit: 0 },
    { query: 5 },
  ])('says what is wrong with %j', async (given) => {
    expect(await call('conversation_search', given)).toEqual({
      error: expect.stringMatching(/"(query|limit)"/),
    });
  });
});

describe('a tool that cannot be run', () => {
  const search = { name: 'conversation_search', arguments: { query: 'x' } };

  it('returns an error that names the available tools', async () => {
    expect(await call('rm', {})).toEqual({
      error: 'expected one of the tools current_time, conversation_search, not "rm"',
    });
  });

  it('does not show the model its internal error', async () => {
    const turns = () => Promise.reject(new Error('password=1'));
    expect(await tools.call(search, { turns })).toEqual({ error: 'the tool failed' });
  });

  it('is abandoned when the run is cancelled', async () => {
    const abort = new AbortController();
    const outcome = tools.call(search, { turns: () => new Promise(() => {}), signal: abort.signal });
    abort.abort();
    expect(await outcome).toEqual({ error: 'the run was cancelled' });
  });

  it('is abandoned when it times out', async () => {
    expect(await tools.call(search, { turns: () => new Promise(() => {}), timeLimitMs: 20 })).toEqual({
      error: 'expected a result within 20 ms, none came',
    });
  });
});
