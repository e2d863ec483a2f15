import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { unstorable } from '../../../protocol/text.js';
import { BuiltinResponder } from './builtin.responder.js';
import type { ResponderPart, ResponderRequest, ToolCall, ToolOutcome, Turn } from '../contract/responder.js';
import { ToolBoxService } from '../contract/tool-box.service.js';

const responder = new BuiltinResponder(0);

function ask(question: string, ...earlier: string[]): Turn[] {
  const turns: Turn[] = earlier.map((content, index) => ({
    role: index % 2 === 0 ? 'user' : 'assistant',
    content,
  }));
  return [...turns, { role: 'user', content: question }];
}

function request(turns: readonly Turn[], over: Partial<ResponderRequest> = {}): ResponderRequest {
  return {
    conversationId: 'c',
    turns,
    userName: 'Ada',
    written: '',
    signal: new AbortController().signal,
    callTool: (call) => new ToolBoxService().call(call, { turns }),
    ...over,
  };
}

async function texts(turns: readonly Turn[], over: Partial<ResponderRequest> = {}): Promise<string[]> {
  const parts: ResponderPart[] = [];
  for await (const part of responder.respond(request(turns, over))) parts.push(part);
  expect(parts.at(-1)).toEqual({ kind: 'end', finishReason: 'stop' });
  return parts.flatMap((part) => (part.kind === 'text' ? [part.text] : []));
}

const answer = async (turns: readonly Turn[], over: Partial<ResponderRequest> = {}) =>
  (await texts(turns, over)).join('');
const wordsOf = (text: string) => text.split(/\s+/).filter((word) => word !== '');

describe('BuiltinResponder', () => {
  it('describes itself', async () => {
    expect(responder).toMatchObject({
      id: 'builtin',
      label: 'built-in demo responder, not a language model',
      model: undefined,
    });
    await expect(responder.check()).resolves.toBe('ready');
  });

  it.each([
    ['How does a ticket work?', 'open one socket'],
    ['Why does it expire after 30 seconds?', 'WS_TICKET_TTL_SECONDS'],
    ['what is a receipt?', 'every ticket has a receipt'],
    ['What do the close codes mean?', '4500'],
    ['what does 4410 mean', '4410'],
    ['How long does a session live?', '30 minutes'],
    ['How do I kill a node?', 'kill -9'],
    ['What is this demo?', 'This is **Admit One**'],
    ['hello', 'This is **Admit One**'],
    ['Are you a language model?', 'not a language model'],
    ['How do I reconnect after I was offline?', 'sequence number'],
    ['How do I stop an answer?', 'Stop means stop'],
    ['Which tools do you have?', 'conversation_search'],
    ['Why is the token not in the header?', 'Authorization header'],
    ['what about rate limits', '100 messages'],
    ['what is the heartbeat timeout', '4509'],
    ['what happens on a restart or deploy?', 'draining'],
  ])('answers "%s" in at least 40 words', async (question, expected) => {
    const text = await answer(ask(question));
    expect(text).toContain(expected);
    expect(wordsOf(text).length).toBeGreaterThanOrEqual(40);
  });

  it.each([
    ['What can you do? Show `code`', 'This is **Admit One**'],
    ['What can you do? Show `count to 5`', 'This is **Admit One**'],
    ['What can you do? And what time is it?', 'This is **Admit One**'],
    ['What can you do?\nAnd which close codes are there?', 'This is **Admit One**'],
    ['Which close codes are there? And what can you do?', 'A socket is never closed'],
    ['What is a ticket? Count to 5.', 'A ticket is the right'],
    ['Count to 3. What is a ticket?', '1 2 3'],
    ['I close my laptop. How do I resume?', 'Every durable event'],
    ['Why was my socket closed?', 'A socket is never closed'],
    ['Hello! What do the codes mean?', 'A socket is never closed'],
    ['Hi there!', 'This is **Admit One**'],
    ['Hello! Here is `ticket.close(1006)`', 'This is **Admit One**'],
    ['```\nclose code 4410\n```\nhelp', 'This is **Admit One**'],
    ['```\nan open fence, help', 'This is **Admit One**'],
    ['`count to 3`', '1 2 3'],
    ['`what is a ticket?`', 'A ticket is the right'],
  ])('answers what it is asked first: %j', async (question, beginning) => {
    expect((await answer(ask(question))).startsWith(beginning)).toBe(true);
  });

  it.each(['Write code that sorts a list', 'Close the window, please', 'Explain `ticket.close()`'])(
    'has no answer to %j, though a word of it is one of ours',
    async (question) => {
      expect(await answer(ask(question))).toContain('I have no answer to that');
    },
  );

  it('shows each kind of Markdown in its help, and says that it is no language model', async () => {
    const help = await answer(ask('What can you do?'));
    expect(help).toMatch(/\*\*not a language model\*\*/);
    expect(help).toMatch(/^- .+\n- /m);
    expect(help).toMatch(/^\|.+\|\n\| --- \| --- \|\n\|.+\|$/m);
    expect(help).toMatch(/^```http\n[^`]+\n```$/m);
  });

  it.each(['"', '. ', '`', '```', 'search for "', 'ask ', 'socket ', 'closed codes ', 'why was ', 'sum '])(
    'answers a long question of %j within a second',
    async (piece) => {
      const beganMs = performance.now();
      await answer(ask(piece.repeat(32_000 / piece.length)));
      expect(performance.now() - beganMs).toBeLessThan(1000);
    },
  );

  it.each([
    ['What did I ask first?', '"tell me about apples"'],
    ['what was my previous question', '"and pears?"'],
    ['How many messages are there?', '2 of your messages and 2 of my answers'],
    ['Please summarise this', '"tell me about apples", then "and pears?"'],
    ['sum it all up', '"tell me about apples", then "and pears?"'],
  ])('answers "%s" from the conversation', async (question, expected) => {
    const text = await answer(ask(question, 'tell me about apples', 'ok', 'and pears?', 'ok'));
    expect(text).toContain(expected);
    expect(wordsOf(text).length).toBeGreaterThanOrEqual(40);
  });

  it.each(['What did I ask first?', 'recap please'])(
    'answers "%s" as the first message',
    async (question) => {
      expect(await answer(ask(question))).toContain('first message here');
    },
  );

  it('repeats a question that it cannot answer, and says that it is a demo', async () => {
    const text = await answer(ask('Warum  ist der\nHimmel blau? 👋🏽'));
    expect(text).toContain('"Warum ist der Himmel blau? 👋🏽"');
    expect(text).toContain('demo responder, not a language model');
  });

  it('quotes the beginning of a very long question, in whole characters', async () => {
    const text = await answer(ask(`a${'👋'.repeat(5000)}`));
    expect(text).toContain(`"a${'👋'.repeat(99)}…"`);
  });

  it.each([1, 5, 2000])('counts to %i', async (last) => {
    const numbers = wordsOf(await answer(ask(`Please count to ${last}.`))).map(Number);
    expect(numbers).toEqual(Array.from({ length: last }, (_, index) => index + 1));
  });

  it.each(['count to 0', 'count to 2001', 'count up to 99999999999999999999'])(
    'does not %s',
    async (question) => {
      expect(await answer(ask(question))).toContain('from 1 to 2000');
    },
  );

  it('sends one word at a time, each after a pause', async () => {
    const pauses: number[] = [];
    const paced = new BuiltinResponder(30, async (ms) => pauses.push(ms));
    const parts: ResponderPart[] = [];
    for await (const part of paced.respond(request(ask('count to 4')))) parts.push(part);
    expect(parts).toMatchObject([
      { text: '1 ' },
      { text: '2 ' },
      { text: '3 ' },
      { text: '4' },
      { kind: 'end' },
    ]);
    expect(pauses).toEqual([30, 30, 30, 30]);
  });

  it('stops during a pause and throws the reason of the abort', async () => {
    const abort = new AbortController();
    const reason = new Error('cancelled');
    const stream = new BuiltinResponder(60_000).respond(request(ask('hello'), { signal: abort.signal }));
    const next = expect(stream.next()).rejects.toBe(reason);
    abort.abort(reason);
    await next;
  });

  it('does not begin a run that was already cancelled', async () => {
    const reason = new Error('cancelled');
    await expect(answer(ask('what time is it'), { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });
});

describe('the tools of BuiltinResponder', () => {
  const recorded = (outcome: ToolOutcome) => {
    const calls: ToolCall[] = [];
    return { calls, callTool: async (call: ToolCall) => (calls.push(call), outcome) };
  };

  it.each(['What time is it?', "what's the date today", 'tell me the time', 'what is the time?'])(
    'are called for the time by "%s"',
    async (question) => {
      const { calls, callTool } = recorded({ output: { time: '2026-11-03T12:00:00Z', timezone: 'UTC' } });
      const [lead, ...rest] = await texts(ask(question), { callTool });
      expect(calls).toMatchObject([{ name: 'current_time', arguments: {} }]);
      expect(lead).toBe('It is 2026-11-03T12:00:00Z (UTC).\n\n');
      expect(rest.length).toBeGreaterThanOrEqual(40);
    },
  );

  it('are called for the time in another time zone', async () => {
    expect(await answer(ask('What time is it in Asia/Kathmandu?'))).toMatch(
      /^It is \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+05:45 \(Asia\/Kathmandu\)\.\n\n/,
    );
    expect(await answer(ask('What time is it in Moon/Base?'))).toMatch(
      /^The tool current_time answered with an error: .*Europe\/Berlin.*Moon\/Base/,
    );
  });

  it('are not called for the time by a question about tickets', async () => {
    const { calls, callTool } = recorded({ error: 'no' });
    await answer(ask('How much time does a ticket give me?'), { callTool });
    await answer(ask('What is the time to live of a ticket?'), { callTool });
    expect(calls).toEqual([]);
  });

  it.each([
    ['Search for apples', 'apples'],
    ['please search the conversation for "red pears" and tell me', 'red pears'],
    ['can you look for apples in our conversation?', 'apples'],
    ['find earlier messages about pears.', 'pears'],
    ['Find bananas', 'bananas'],
    ['search for `close code`', 'close code'],
    ['Search for "really? yes" please', 'really? yes'],
  ])('are called for a search by "%s"', async (question, query) => {
    const { calls, callTool } = recorded({ output: { query, total: 0, matches: [] } });
    const text = await answer(ask(question), { callTool });
    expect(calls).toMatchObject([{ name: 'conversation_search', arguments: { query } }]);
    expect(text).toContain(`for "${query}" and found none.`);
  });

  it('find earlier messages', async () => {
    const text = await answer(ask('search for APPLES', 'I like apples\n\nand pears', 'Apples, I see'));
    expect(text).toContain(
      'found 2: message 1 by the user: "I like apples and pears"; message 2 by the assistant: "Apples, I see".\n\n',
    );
  });

  it('may fail, or return an unexpected result', async () => {
    expect(await answer(ask('search for x'), recorded({ error: 'down' }))).toContain('an error: down.');
    expect(await answer(ask('search for x'), recorded({ output: undefined }))).toContain('answered nothing.');
    expect(await answer(ask('what time is it'), recorded({ output: 7 }))).toContain('answered 7.');
  });

  it('get the same call id only for the same question at the same place', async () => {
    const { calls, callTool } = recorded({ error: 'no' });
    await answer(ask('search for x'), { callTool });
    await answer(ask('search for x'), { callTool });
    await answer(ask('search for x', 'search for x', 'none'), { callTool });
    await answer(ask('search for x'), { callTool, conversationId: 'other' });
    const ids = calls.map(({ id }) => id);
    expect(ids[0]).toBe(ids[1]);
    expect(new Set(ids).size).toBe(3);
  });
});

describe('an answer of BuiltinResponder that another node continues', () => {
  const conversations = [
    ask('How does a ticket work?'),
    ask('count to 50'),
    ask('Was heißt 👋🏽👨‍👩‍👧 auf Deutsch?'),
    ask('recap', 'I like 🍎', 'ok'),
    ask('search for 🍎', 'I like 🍎🍎', 'ok'),
    ask('what time is it'),
  ];
  const fixed = async (call: ToolCall, turns: readonly Turn[]): Promise<ToolOutcome> =>
    call.name === 'current_time'
      ? { output: { time: '2026-11-03T12:00:00Z', timezone: 'UTC' } }
      : new ToolBoxService().call(call, { turns });

  it('is the same to the byte, whatever the cut', async () => {
    for (const turns of conversations) {
      const callTool = (call: ToolCall) => fixed(call, turns);
      const whole = await answer(turns, { callTool });
      await fc.assert(
        fc.asyncProperty(fc.nat(whole.length), async (cut) => {
          const written = whole.slice(0, cut);
          expect(written + (await answer(turns, { callTool, written }))).toBe(whole);
        }),
        { numRuns: 60 },
      );
    }
  });

  it('never has a part that ends inside a surrogate pair', async () => {
    for (const turns of conversations) {
      for (const text of await texts(turns)) expect(unstorable(text)).toBe(false);
    }
  });

  it('does not call a tool again whose result was written', async () => {
    const calls: ToolCall[] = [];
    const later = async (call: ToolCall) => (
      calls.push(call),
      { output: { time: 'later', timezone: 'UTC' } }
    );
    const turns = ask('what time is it');
    const whole = await answer(turns, { callTool: (call) => fixed(call, turns) });
    const written = whole.slice(0, whole.indexOf('\n\n') + 2);
    expect(written + (await answer(turns, { callTool: later, written }))).toBe(whole);
    expect(calls).toEqual([]);
  });

  it('keeps a half-written result and starts a new paragraph when the tool now says something else', async () => {
    const later = async () => ({ output: { time: 'later', timezone: 'UTC' } });
    const text = await answer(ask('what time is it'), { callTool: later, written: 'It is 2026-' });
    expect(text.startsWith('\n\nIt is later (UTC).\n\nThat came from')).toBe(true);
  });
});
