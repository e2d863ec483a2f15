import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { storableText, unstorable } from '../../../protocol/text.js';
import { delayToNextFrame, DeltaWriter } from './delta-writer.js';

describe('DeltaWriter', () => {
  it('counts offsets in UTF-16 code units of the whole message', () => {
    const writer = new DeltaWriter('');
    writer.push('héllo 😀 ');
    const first = writer.pending();
    writer.markSent(first);
    writer.push('done');
    expect(first).toEqual({ offset: 0, text: 'héllo 😀 ' });
    expect(writer.pending()).toEqual({ offset: 9, text: 'done' });
  });

  it('joins the pieces that arrived since the last frame', () => {
    const writer = new DeltaWriter('');
    for (const piece of ['a', 'b', 'c']) writer.push(piece);
    expect(writer.pending()).toEqual({ offset: 0, text: 'abc' });
  });

  it('holds half of a surrogate pair back until the other half comes', () => {
    const writer = new DeltaWriter('');
    writer.push('x\ud83d');
    const before = writer.pending();
    writer.markSent(before);
    expect(before.text).toBe('x');
    expect(writer.hasPending).toBe(false);
    writer.push('\ude00y');
    expect(writer.pending()).toEqual({ offset: 1, text: '😀y' });
  });

  it('ends with a replacement character if the other half never comes', () => {
    const writer = new DeltaWriter('');
    writer.push('x\ud83d');
    writer.end();
    expect(writer.text).toBe('x\ufffd');
  });

  it('continues after what an earlier attempt has sent', () => {
    const writer = new DeltaWriter('already here');
    expect(writer.hasPending).toBe(false);
    writer.push(', and more');
    expect(writer.pending()).toEqual({ offset: 12, text: ', and more' });
    expect(writer.text).toBe('already here, and more');
  });

  it('sends a frame again if it may not have arrived', () => {
    const writer = new DeltaWriter('');
    writer.push('one ');
    const lost = writer.pending();
    writer.markSent(lost);
    writer.push('two');
    writer.takeBack(lost);
    expect(writer.pending()).toEqual({ offset: 0, text: 'one two' });
  });

  it('keeps pieces that arrive while a frame is being sent', () => {
    const writer = new DeltaWriter('');
    writer.push('one ');
    const leaving = writer.pending();
    writer.push('two');
    writer.markSent(leaving);
    expect(writer.pending()).toEqual({ offset: 4, text: 'two' });
  });
});

describe('DeltaWriter with arbitrary text', () => {
  // Code units one by one, so that pairs are split and lone halves occur.
  const unit = fc.oneof(
    fc.constantFrom('a', '\0', '\ud83d', '\ude00'),
    fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
  );
  const piece = fc.array(unit, { maxLength: 5 }).map((units) => units.join(''));
  const fate = fc.constantFrom('waits', 'sent', 'lost');

  it('sends deltas that form the whole text and never start inside a surrogate pair', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(piece, fate)), (pieces) => {
        const writer = new DeltaWriter('');
        let text = '';
        const offsets: number[] = [];
        const send = (isLost: boolean): void => {
          const delta = writer.pending();
          offsets.push(delta.offset, delta.offset + delta.text.length);
          text = text.slice(0, delta.offset) + delta.text;
          writer.markSent(delta);
          if (isLost) writer.takeBack(delta);
        };
        for (const [written, fate] of pieces) {
          writer.push(written);
          if (fate !== 'waits' && writer.hasPending) send(fate === 'lost');
        }
        writer.end();
        send(false);
        expect(text).toBe(storableText(pieces.map(([written]) => written).join('')));
        for (const offset of offsets) expect(unstorable(text.slice(0, offset))).toBe(false);
      }),
    );
  });
});

describe('delayToNextFrame', () => {
  it('is 0 for the first frame', () => {
    expect(delayToNextFrame(1234.5, Number.NEGATIVE_INFINITY)).toBe(0);
  });

  it('is 0 after a pause', () => {
    expect(delayToNextFrame(1200, 1100)).toBe(0);
  });

  it('aligns frames to multiples of 50 ms, at least 45 ms apart', () => {
    expect(delayToNextFrame(1112, 1112)).toBe(88);
    expect(delayToNextFrame(1107, 1107)).toBe(93);
    expect(delayToNextFrame(1104, 1104)).toBe(46);
  });

  it('stays aligned when timers fire slightly late', () => {
    expect(delayToNextFrame(1160, 1151.5)).toBe(40);
  });

  it('allows at most 20 frames in any second', () => {
    const sent: number[] = [];
    let last = Number.NEGATIVE_INFINITY;
    for (let now = 7; now < 10_007; now += 1) {
      if (delayToNextFrame(now, last) > 0) continue;
      last = now;
      sent.push(now);
    }
    for (const start of sent) {
      expect(sent.filter((time) => time >= start && time < start + 1000).length).toBeLessThanOrEqual(20);
    }
    expect(sent.length).toBeGreaterThan(195);
  });
});
