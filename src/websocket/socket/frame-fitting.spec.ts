import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LIMITS, type ServerFrame } from '../../../protocol/messages.js';
import { unstorable } from '../../../protocol/text.js';
import { encodeReply, fittingReplies } from './frame-fitting.js';
import { payloadOf } from './frame-encoding.js';
import type { FrameReply } from './frame-reply.js';

const ids = { run_id: 'r', message_id: 'm' };
const problem = {
  type: '/problems/internal',
  title: 't',
  status: 500,
  detail: '',
  instance: '/',
  code: 'internal',
} as const;
const failure = { ...problem, trace_id: 'x', retry: 'none', retry_after_ms: 0 } as const;
const end = { ...ids, finish_reason: 'error', length: 0, sha256: '' } as const;

/** Returns the frames that a socket would get. */
function framesOf(reply: FrameReply, re?: string): ServerFrame[] {
  return encodeReply(reply, re).map(({ type, bytes }) => {
    const payload = payloadOf(bytes);
    expect(payload.length).toBeLessThanOrEqual(LIMITS.maxFrameBytes);
    const frame = JSON.parse(payload.toString()) as ServerFrame;
    expect(frame.type).toBe(type);
    return frame;
  });
}

/** Returns a client's text after these frames, if it had `text` before. */
function apply(frames: readonly ServerFrame[], text = ''): string {
  return frames.reduce((held, { type, data }) => {
    if (type === 'message.snapshot') return data.text;
    if (type !== 'message.delta') throw new Error(`expected text, got ${type}`);
    expect(data.offset).toBeLessThanOrEqual(held.length);
    return held.slice(0, data.offset) + data.text;
  }, text);
}

const longText = fc
  .tuple(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 9000 }))
  .map(([unit, times]) => Buffer.from(unit.repeat(times)).toString());

describe('a frame that is sent', () => {
  it('is split into several if its text is too long, and loses no text', () => {
    fc.assert(
      fc.property(longText, (text) => {
        const data = { ...ids, text, status: 'streaming' };
        const snapshot = framesOf({ type: 'message.snapshot', conversation_id: 'c', data });
        expect(apply(snapshot)).toBe(text);
        const held = 'what was before';
        const delta = { ...ids, offset: held.length, text };
        expect(apply(framesOf({ type: 'message.delta', conversation_id: 'c', data: delta }), held)).toBe(
          held + text,
        );
      }),
      { numRuns: 50 },
    );
  });

  it('is unchanged if it fits', () => {
    const reply: FrameReply = { type: 'message.delta', data: { ...ids, offset: 0, text: 'x' } };
    expect(fittingReplies(reply)).toEqual([reply]);
  });

  it.each<[string, FrameReply]>([
    [
      'tool.call',
      {
        type: 'tool.call',
        seq: 4,
        data: { run_id: 'r', tool_call_id: 't', name: 'n', arguments: { a: 'x'.repeat(99_000) } },
      },
    ],
    [
      'tool.result',
      { type: 'tool.result', seq: 4, data: { run_id: 'r', tool_call_id: 't', output: ['x'.repeat(99_000)] } },
    ],
    [
      'failed tool.result',
      { type: 'tool.result', seq: 4, data: { run_id: 'r', tool_call_id: 't', error: '€'.repeat(50_000) } },
    ],
    [
      'run.failed',
      {
        type: 'run.failed',
        seq: 4,
        data: { ...end, problem: { ...failure, detail: '\u0001'.repeat(20_000) } },
      },
    ],
  ])('is shortened and marked truncated if it is a long %s', (_name, reply) => {
    const frames = framesOf(reply);
    expect(frames).toHaveLength(1);
    expect(frames[0]).toMatchObject({ type: reply.type, seq: 4, data: { run_id: 'r', truncated: true } });
  });

  it('contains the beginning of a long message and is marked truncated', () => {
    const content = '\u0001😀'.repeat(10_000);
    const message = { id: 'm', role: 'user', content, status: 'complete', seq: 4, created_at: '' } as const;
    const frames = framesOf({ type: 'message.created', seq: 4, data: { message } });
    expect(frames).toHaveLength(1);
    const { data } = frames[0] as Extract<ServerFrame, { type: 'message.created' }>;
    expect(data.message).toMatchObject({ id: 'm', truncated: true });
    expect(content.startsWith(data.message.content)).toBe(true);
    expect(data.message.content.length).toBeGreaterThan(15_000);
    expect(unstorable(data.message.content)).toBe(false);
  });

  it('keeps code and re if it is a long error', () => {
    const [frame] = framesOf(
      { type: 'error', data: { ...failure, detail: 'x'.repeat(99_000) }, error: 't' },
      'f1',
    );
    expect(frame).toMatchObject({ re: 'f1', error: 't', data: { code: 'internal' } });
  });
});
