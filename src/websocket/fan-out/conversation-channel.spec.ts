import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { AppLogger } from '../../observability/logger.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import { ConversationChannel, type Missed } from './conversation-channel.js';
import { toFeedMessage } from './feed-message.js';
import { ShownText } from './shown-text.js';
import type { SharedFrame } from '../socket/shared-frame.js';
import { payloadOf } from '../socket/frame-encoding.js';
import type { FrameReply } from '../socket/frame-reply.js';

const ID = 'c1';
const event = (seq: number) =>
  ({ type: 'run.started', conversation_id: ID, seq, ts: '', data: {} }) as unknown as FrameReply;
const notice = { type: 'notice', data: { code: 'reload', detail: '' } } satisfies FrameReply;

describe('ConversationChannel', () => {
  let channel: ConversationChannel;
  let log: FrameReply[];
  let asked: Missed[];
  let sent: (number | string)[];
  let closed: string[];
  let whenRead: Promise<void>;

  /** The part of a socket that the channel uses. */
  const socket = {
    sendShared: ({ seq, bytes }: SharedFrame) =>
      void sent.push(seq ?? (JSON.parse(payloadOf(bytes).toString()) as FrameReply).type),
    endWith: (name: string) => void closed.push(name),
  } as unknown as AuthenticatedSocket;

  beforeEach(() => {
    jest.useFakeTimers();
    [log, asked, sent, closed] = [[], [], [], []];
    whenRead = Promise.resolve();
    const readMissed = async (_id: string, missed: Missed) => {
      asked.push(missed);
      await whenRead;
      return log;
    };
    const logger = new AppLogger({ logLevel: 'silent', nodeName: 'n1' }, { write: () => undefined });
    channel = new ConversationChannel(ID, Promise.resolve(), readMissed, logger);
  });

  afterEach(() => {
    channel.stop();
    expect(jest.getTimerCount()).toBe(0);
    jest.useRealTimers();
  });

  const watch = (uptoSeq?: number) => channel.hold(socket).release(uptoSeq);
  const say = (...seqs: (number | undefined)[]) => {
    for (const seq of seqs)
      channel.receive(
        Buffer.from(toFeedMessage(seq, JSON.stringify(seq === undefined ? notice : event(seq)))),
      );
  };

  it('reads missing events from the log, each gap once, and sends all frames in order', async () => {
    watch(1);
    log = [event(2), event(3)];
    say(4, 6);
    await jest.advanceTimersByTimeAsync(249);
    expect([sent, asked]).toEqual([[], []]);
    await jest.advanceTimersByTimeAsync(1);
    expect(asked).toEqual([
      { fromSeq: 2, toSeq: 3 },
      { fromSeq: 5, toSeq: 5 },
    ]);
    // The log lacks event 5: clients see the gap in `seq`.
    expect(sent).toEqual([2, 3, 4, 6]);
    say(5, 7);
    expect(sent).toEqual([2, 3, 4, 6, 7]);
  });

  it('does not read the log when the missing event arrives late', async () => {
    watch(1);
    say(3, undefined, 2);
    await jest.advanceTimersByTimeAsync(1000);
    expect([sent, asked]).toEqual([[2, 3, 'notice'], []]);
  });

  it('continues without events that cannot be read', async () => {
    watch(1);
    whenRead = Promise.reject(new Error('Postgres is away'));
    say(3);
    await jest.advanceTimersByTimeAsync(250);
    expect(sent).toEqual([3]);
  });

  it('does not hold back more frames than its limit', () => {
    watch(1);
    say(...Array.from({ length: 1001 }, (_, index) => index + 3));
    expect(sent).toHaveLength(1001);
  });

  it('reads missed events after a lost connection, and holds back frames that arrive meanwhile', async () => {
    watch(4);
    say(5);
    log = [event(6), event(7)];
    const recovered = channel.recover(1000);
    void channel.recover(1000);
    say(8);
    expect(sent).toEqual([5]);
    await recovered;
    expect(asked).toEqual([{ fromSeq: 6, toSeq: 1005 }]);
    expect(sent).toEqual([5, 6, 7, 8]);
  });

  it('holds back frames after the connection was lost until the missed events have been read', async () => {
    watch(5);
    say(6);
    channel.connectionLost();
    log = [event(7)];
    say(8);
    expect(sent).toEqual([6]);
    await channel.recover(1000);
    expect(sent).toEqual([6, 7, 8]);
  });

  it('keeps holding back frames when the connection is lost again while it reads', async () => {
    watch(5);
    say(6);
    channel.connectionLost();
    log = [event(7)];
    const recovered = channel.recover(1000);
    channel.connectionLost();
    await recovered;
    say(9);
    expect(sent).toEqual([6, 7]);
    log = [event(8)];
    await channel.recover(1000);
    expect(sent).toEqual([6, 7, 8, 9]);
  });

  it('reads missed events by time when it has seen no event yet', async () => {
    watch();
    log = [event(3), notice];
    await channel.recover(1000);
    expect(asked).toEqual([{ sinceMs: 1000 }]);
    expect(sent).toEqual([3, 'notice']);
  });

  describe('with the text of an answer', () => {
    const piece = (offset: number, text: string, attempt = 1) =>
      channel.receive(
        Buffer.from(
          toFeedMessage(
            undefined,
            JSON.stringify({
              type: 'message.delta',
              conversation_id: ID,
              data: { run_id: 'r', message_id: 'm', offset, text },
            }),
            { runId: 'r', attempt },
          ),
        ),
      );
    const snapshot = (text: string): FrameReply => ({
      type: 'message.snapshot',
      conversation_id: ID,
      data: { run_id: 'r', message_id: 'm', text, status: 'streaming' },
    });

    it('sends no waiting piece that would cut back the text read for a gap', async () => {
      watch(1);
      log = [event(2), snapshot('abcd')];
      say(3);
      piece(0, 'ab');
      piece(2, 'cdef');
      await jest.advanceTimersByTimeAsync(250);
      // The event that was read releases the waiting pieces, and what was read last is behind them.
      expect(sent).toEqual([2, 3, 'message.delta', 'message.delta']);
    });

    it('sends no piece that arrived while it read a longer text after a lost connection', async () => {
      watch(1);
      say(2);
      channel.connectionLost();
      log = [snapshot('abcd')];
      piece(0, 'ab');
      piece(4, 'ef');
      await channel.recover(1000);
      piece(0, 'a');
      expect(sent).toEqual([2, 'message.snapshot', 'message.delta', 'message.delta']);
    });

    it('sends a socket no held piece that ends before the text it was shown', () => {
      const subscription = channel.hold(socket);
      piece(0, 'ab');
      piece(2, 'cd');
      const shown = new ShownText();
      shown.show('m', 3);
      subscription.release(undefined, shown);
      expect(sent).toEqual(['message.delta']);
    });

    it('sends what a new writer says, also if it begins further back', async () => {
      watch(1);
      say(2);
      channel.connectionLost();
      const takeover = { ...event(3), type: 'run.takeover', data: { run_id: 'r', attempt: 2 } } as FrameReply;
      log = [snapshot('abcd')];
      channel.receive(Buffer.from(toFeedMessage(3, JSON.stringify(takeover))));
      piece(1, 'b', 2);
      await channel.recover(1000);
      expect(sent).toEqual([2, 'message.snapshot', 3, 'message.delta']);
    });
  });

  it('drops frames above the limit while it reads', async () => {
    watch(1);
    const recovered = channel.recover(1000);
    say(...Array.from({ length: 1200 }, (_, index) => index + 2));
    await recovered;
    expect(sent).toHaveLength(1000);
  });

  it('takes the position in the log from a socket only if it is the only one', () => {
    const [first, second] = [channel.hold(socket), channel.hold({ ...socket } as AuthenticatedSocket)];
    first.release(3);
    say(9);
    expect(sent).toEqual([9]);
    second.release(undefined);
    second.release(undefined);
    expect(sent).toEqual([9, 9]);
    channel.remove(socket);
    expect(channel.has(socket)).toBe(false);
    expect(channel.isEmpty).toBe(false);
  });

  it('ends a socket that has too many frames held back', () => {
    channel.hold(socket);
    say(...Array.from({ length: 2001 }, () => undefined));
    expect(closed).toEqual(['slow_consumer']);
  });
});
