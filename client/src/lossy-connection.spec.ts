import { afterEach, beforeEach, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { ConversationScript, type ScriptFrame, type Turn } from '../spec/conversation-script.js';
import { CONVERSATION, FakeServer, settle, useFakeClock } from '../spec/fake-server.js';
import { ChatApi } from './api.js';
import { ChatClient } from './chat-client.js';
import { ConversationFeed, type FeedState } from './conversation-feed.js';

/** What happens on one connection. */
interface Visit {
  /** Frames that were sent while there was no connection. */
  missed: number;
  /** One per live frame until the connection is lost: dropped, or followed by this many repeated frames. */
  frames: ('lost' | number)[];
}

const path = `/conversations/${CONVERSATION}`;
const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 });
const turn: fc.Arbitrary<Turn> = fc.record({ question: text, pieces: fc.array(text, { maxLength: 6 }) });
const fate = fc.oneof(
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: fc.nat({ max: 12 }) },
  { weight: 1, arbitrary: fc.constant('lost' as const) },
);
const visit: fc.Arbitrary<Visit> = fc.record({
  missed: fc.nat({ max: 4 }),
  frames: fc.array(fate, { maxLength: 8 }),
});

/** A server with an active conversation, and a client that reads it over connections that all break. */
class Reading {
  private readonly server = new FakeServer();
  private readonly answered = new Set<string>();
  private readonly client: ChatClient;
  readonly feed: ConversationFeed;
  /** `seq` of the events that the client delivered. */
  readonly seqs: number[] = [];
  /** Texts that were shown but never written, or that were complete before. */
  readonly wrong: string[] = [];
  private readonly whole = new Map<string, string>();
  private readonly finished = new Set<string>();
  /** Frames that the server has sent, received or not. */
  private sent = 0;

  constructor(private readonly script: ConversationScript) {
    for (const { id, content } of script.messages(script.frames.length)) this.whole.set(id, content);
    const answers = {
      '': () => this.conversation(),
      '/messages': () => this.page(),
      '/events': () => this.log(),
    };
    for (const [route, body] of Object.entries(answers)) {
      this.server.answers.set(`GET ${path}${route}`, () => ({ status: 200, body: body() }));
    }
    const options = {
      baseUrl: 'https://chat.example',
      getAccessToken: async () => 'jwt',
      fetch: this.server.fetch,
      createSocket: this.server.createSocket,
    };
    this.client = new ChatClient(options);
    this.feed = new ConversationFeed(this.client, new ChatApi(options), CONVERSATION);
    this.client.on('frame', ({ seq }) => {
      if (seq !== undefined) this.seqs.push(seq);
    });
    this.feed.on('change', ({ messages }) => this.compare(messages));
  }

  async visit({ missed, frames }: Visit): Promise<void> {
    this.sent = Math.min(this.script.frames.length, this.sent + missed);
    this.client.connect();
    await settle();
    this.server.socket.ready();
    this.feed.open();
    await settle();
    await this.answerResumes();
    for (const fate of frames) {
      const frame = this.script.frames[this.sent];
      if (frame === undefined) break;
      this.sent += 1;
      if (fate !== 'lost')
        this.deliver(frame, ...(fate === 0 ? [] : this.script.frames.slice(0, this.sent).slice(-fate)));
      await this.answerResumes();
    }
    this.server.socket.end();
    await settle();
  }

  close(): void {
    this.feed.close();
    this.client.close();
  }

  private compare(messages: FeedState['messages']): void {
    for (const { id, content, status } of messages) {
      const whole = this.whole.get(id) ?? '';
      const isWhole = status === 'complete' && content === whole;
      if (!whole.startsWith(content) || (this.finished.has(id) && !isWhole)) this.wrong.push(content);
      if (isWhole) this.finished.add(id);
    }
  }

  private deliver(...frames: ScriptFrame[]): void {
    for (const { type, data, seq } of frames) {
      const place = { conversation_id: CONVERSATION, ...(seq !== undefined && { seq }) };
      this.server.socket.deliver(type, data, place);
    }
  }

  /** Replays as the server does: the events after the cursor, then the text of an answer in progress. */
  private async answerResumes(): Promise<void> {
    await settle();
    const asked = this.server.socket.sentOf('resume').filter(({ id }) => !this.answered.has(this.key(id)));
    if (asked.length === 0) return;
    for (const { id, data } of asked) {
      this.answered.add(this.key(id));
      const seq = (data.cursors as { seq: number }[])[0]?.seq ?? 0;
      const missed = this.script.eventsAfter(seq, this.sent);
      const range = { from_seq: seq, to_seq: seq + missed.length, replayed: missed.length };
      const resumed = { conversation_id: CONVERSATION, recovered: true, ...range };
      this.server.socket.deliver('resumed', resumed, { re: id, conversation_id: CONVERSATION });
      this.deliver(...missed);
      const snapshot = this.script.snapshot(this.sent);
      if (snapshot)
        this.server.socket.deliver('message.snapshot', snapshot, { conversation_id: CONVERSATION });
    }
    await this.answerResumes();
  }

  private key(id: string): string {
    return `${this.server.sockets.length} ${id}`;
  }

  private conversation(): object {
    return { title: 'Talk', last_seq: this.script.eventsAfter(0, this.sent).length };
  }

  private page(): object {
    const asked = new URL(this.server.calls.at(-1)?.path ?? '', 'https://chat.example').searchParams;
    const after = Number(asked.get('after_seq') ?? 0);
    return { messages: this.script.messages(this.sent).filter(({ seq }) => seq > after), has_more: false };
  }

  private log(): object {
    return {
      events: this.script.eventsAfter(0, this.sent),
      last_seq: this.script.eventsAfter(0, this.sent).length,
    };
  }
}

beforeEach(useFakeClock);
afterEach(() => {
  jest.useRealTimers();
});

test('lost, duplicated or replayed frames lead to the same history and the same texts', async () => {
  const turns = fc.array(turn, { minLength: 1, maxLength: 3 });
  const visits = fc.array(visit, { minLength: 1, maxLength: 5 });
  const property = fc.asyncProperty(turns, visits, async (told, faults) => {
    const script = await ConversationScript.of(told);
    const reading = new Reading(script);
    for (const fault of faults) await reading.visit(fault);
    // The rest is sent while the client is disconnected; the last connection does not break.
    await reading.visit({ missed: script.frames.length, frames: [] });
    const { phase, messages } = reading.feed.state;
    reading.close();
    expect([phase, reading.wrong]).toEqual(['ready', []]);
    expect(reading.seqs).toEqual([...new Set(reading.seqs)].toSorted((a, b) => a - b));
    const shown = messages.map(({ id, role, content, status, seq }) => ({ id, role, content, status, seq }));
    const whole = script.messages(script.frames.length);
    expect(shown).toEqual(
      whole.map(({ id, role, content, status, seq }) => ({ id, role, content, status, seq })),
    );
  });
  await fc.assert(property, { numRuns: 150 });
}, 60_000);
