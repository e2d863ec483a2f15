import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DeltaBacklog, type DeltaFrame } from './delta-backlog.js';

const delta = (offset: number, text: string, message = 'm1'): DeltaFrame => ({
  type: 'message.delta',
  conversation_id: 'c1',
  data: { run_id: 'r1', message_id: message, offset, text },
});
const apply = (text: string, frames: readonly DeltaFrame[]) =>
  frames.reduce((known, { data }) => known.slice(0, data.offset) + data.text, text);

describe('DeltaBacklog', () => {
  it('merges the deltas of one message, and keeps messages apart', () => {
    const backlog = new DeltaBacklog();
    for (const frame of [delta(3, 'ab'), delta(9, 'xy', 'm2'), delta(5, 'cd')]) backlog.hold(frame);
    expect(backlog.length).toBe(6);
    expect(backlog.take()).toEqual([delta(3, 'abcd'), delta(9, 'xy', 'm2')]);
    expect(backlog.length).toBe(0);
    expect(backlog.take()).toEqual([]);
  });

  it('does not merge across a gap between deltas', () => {
    const backlog = new DeltaBacklog();
    for (const frame of [delta(0, 'ab'), delta(5, 'f'), delta(6, 'g')]) backlog.hold(frame);
    expect(backlog.take()).toEqual([delta(0, 'ab'), delta(5, 'fg')]);
  });

  it('gives the same text as the single deltas, even when an attempt restarts at a lower offset', () => {
    const steps = fc.array(
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.string({ maxLength: 6 })),
      {
        maxLength: 40,
      },
    );
    fc.assert(
      fc.property(fc.string({ minLength: 1 }), steps, (before, given) => {
        const backlog = new DeltaBacklog();
        let text = before;
        for (const [place, piece] of given) {
          const frame = delta(Math.round(place * text.length), piece);
          text = apply(text, [frame]);
          backlog.hold(frame);
        }
        expect(apply(before, backlog.take())).toBe(text);
      }),
    );
  });
});
