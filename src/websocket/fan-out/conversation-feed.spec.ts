import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ConversationFeed } from './conversation-feed.js';
import { parseFeedMessage, toFeedMessage } from './feed-message.js';
import { payloadOf } from '../socket/frame-encoding.js';
import { SharedFrame } from '../socket/shared-frame.js';

const frame = (seq: number | undefined) => new SharedFrame(seq, Buffer.from(`event ${seq ?? '-'}`));
const seqs = (frames: { seq: number | undefined }[]) => frames.map(({ seq }) => seq);

function parseOne(message: string): SharedFrame {
  const frames = parseFeedMessage(Buffer.from(message));
  expect(frames).toHaveLength(1);
  return frames[0]!;
}

describe('ConversationFeed', () => {
  it('passes on frames in order at once', () => {
    const feed = new ConversationFeed();
    for (const seq of [5, 6, 7]) expect(seqs(feed.accept(frame(seq)))).toEqual([seq]);
    expect(feed.waitingCount).toBe(0);
  });

  it('holds early frames until the missing event arrives', () => {
    const feed = new ConversationFeed();
    feed.accept(frame(1));
    expect(feed.accept(frame(3))).toEqual([]);
    expect(feed.accept(frame(undefined))).toEqual([]);
    expect(feed.waitingCount).toBe(2);
    expect(seqs(feed.accept(frame(2)))).toEqual([2, 3, undefined]);
    expect(feed.waitingCount).toBe(0);
  });

  it('waits for a missing first event once it knows where the feed begins', () => {
    const feed = new ConversationFeed();
    feed.beginAfter(9);
    expect(feed.accept(frame(11))).toEqual([]);
    expect(seqs(feed.accept(frame(10)))).toEqual([10, 11]);
    feed.beginAfter(3);
    expect(feed.accept(frame(4))).toEqual([]);
  });

  it('passes no event on twice', () => {
    const feed = new ConversationFeed();
    feed.accept(frame(1));
    feed.accept(frame(2));
    expect(feed.accept(frame(1))).toEqual([]);
    expect(feed.accept(frame(2))).toEqual([]);
    feed.accept(frame(4));
    expect(feed.accept(frame(2))).toEqual([]);
    expect(seqs(feed.accept(frame(3)))).toEqual([3, 4]);
  });

  it('drops text of an attempt at a run after another attempt has taken it over', () => {
    const feed = new ConversationFeed();
    const piece = (runId: string, attempt: number) =>
      parseOne(toFeedMessage(undefined, '{"type":"message.delta"}', { runId, attempt }));
    const takeover = { type: 'run.takeover', data: { run_id: 'a', attempt: 2 } };
    const pass = (of: SharedFrame) => feed.accept(of).length === 1;
    expect(pass(piece('a', 1))).toBe(true);
    expect(pass(parseOne(toFeedMessage(7, JSON.stringify(takeover))))).toBe(true);
    expect(pass(piece('a', 1))).toBe(false);
    for (const [runId, attempt] of [
      ['a', 2],
      ['a', 3],
      ['b', 1],
    ] as const)
      expect(pass(piece(runId, attempt))).toBe(true);
  });

  it('gives up on an event that never arrives, and continues after it', () => {
    const feed = new ConversationFeed();
    feed.accept(frame(1));
    feed.accept(frame(3));
    feed.accept(frame(undefined));
    expect(seqs(feed.giveUp())).toEqual([3, undefined]);
    expect(seqs(feed.accept(frame(4)))).toEqual([4]);
    expect(feed.accept(frame(2))).toEqual([]);
  });

  it('reports the gap before the first waiting event, and gives up in order', () => {
    const feed = new ConversationFeed();
    for (const seq of [3, 9, 7, undefined]) feed.accept(frame(seq));
    expect(feed.hole).toEqual({ fromSeq: 4, toSeq: 6 });
    for (const seq of [4, 5, 6]) feed.accept(frame(seq));
    expect(feed.hole).toEqual({ fromSeq: 8, toSeq: 8 });
    expect(seqs(feed.giveUp())).toEqual([9, undefined]);
    expect(feed.hole).toBeUndefined();
    expect(feed.lastSeq).toBe(9);
  });

  it('sorts events after the first that arrive in any order', () => {
    const orders = fc.shuffledSubarray([2, 3, 4, 5, 6, 7, 8], { minLength: 7 });
    fc.assert(
      fc.property(orders, (order) => {
        const feed = new ConversationFeed();
        const out = [1, ...order].flatMap((seq) => seqs(feed.accept(frame(seq))));
        expect(out).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
      }),
    );
  });
});

describe('a feed message', () => {
  it.each([undefined, 1, 42])('keeps seq %s and the frame', (seq) => {
    const parsed = parseOne(toFeedMessage(seq, '{"type":"x"}'));
    expect(parsed.seq).toBe(seq);
    expect(parsed.bytes.subarray(2).toString()).toBe('{"type":"x"}');
    expect(parsed.type).toBe('x');
  });

  it('becomes several frames if its text does not fit into one', () => {
    const text = '€'.repeat(50_000);
    const data = { run_id: 'r', message_id: 'm', offset: 7, text };
    const json = JSON.stringify({ type: 'message.delta', conversation_id: 'c', ts: 't', data });
    const writtenBy = { runId: 'r', attempt: 2 };
    const frames = parseFeedMessage(Buffer.from(toFeedMessage(undefined, json, writtenBy)));
    expect(frames.map((part) => part.delta!.data.text).join('')).toBe(text);
    for (const part of frames) {
      expect(payloadOf(part.bytes).length).toBeLessThanOrEqual(65_536);
      expect(part.writtenBy).toEqual(writtenBy);
      expect(part.delta).toMatchObject({ conversation_id: 'c', ts: 't' });
    }
    expect(frames.map((part) => part.delta!.data.offset)).toEqual(
      frames.map(
        (_, index) => 7 + frames.slice(0, index).reduce((sum, { delta }) => sum + delta!.data.text.length, 0),
      ),
    );
  });

  it('has a delta only if it is a message.delta without seq', () => {
    const delta = {
      type: 'message.delta',
      conversation_id: 'c1',
      data: { offset: 0, text: 'x'.repeat(60_000) },
    };
    const read = (seq: number | undefined, value: object) =>
      parseOne(toFeedMessage(seq, JSON.stringify(value)));
    const frame = read(undefined, delta);
    expect(frame.delta).toEqual(delta);
    expect(frame.delta).toBe(frame.delta);
    expect(
      read(undefined, { ...delta, data: { offset: 0, text: 'x'.repeat(200) } }).delta?.data.text,
    ).toHaveLength(200);
    for (const other of [read(1, delta), read(undefined, { type: 'notice', data: {} })]) {
      expect(other.delta).toBeUndefined();
      expect(other.delta).toBeUndefined();
    }
  });
});
