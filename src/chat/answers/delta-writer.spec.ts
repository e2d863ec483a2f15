import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { unstorable } from '../../../protocol/messages.js';
import { delayToNextFrame, DeltaWriter } from './delta-writer.js';
import { storableText } from '../../responder/contract/storable-text.js';

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

  it('joins the pieces that came since the last frame', () => {
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

  it('ends with a replacement character where the other half never came', () => {
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

  it('sends a frame again that is not known to have arrived', () => {
    const writer = new DeltaWriter('');
    writer.push('one ');
    const lost = writer.pending();
    writer.markSent(lost);
    writer.push('two');
    writer.takeBack(lost);
    expect(writer.pending()).toEqual({ offset: 0, text: 'one two' });
  });

  it('keeps what came while a frame was on its way', () => {
    const writer = new DeltaWriter('');
    writer.push('one ');
    const leaving = writer.pending();
    writer.push('two');
    writer.markSent(leaving);
    expect(writer.pending()).toEqual({ offset: 4, text: 'two' });
  });
});

describe('DeltaWriter, whatever a model writes', () => {
  // Every code unit for itself, so that pairs are cut in two and halves stand alone.
  const unit = fc.oneof(
    fc.constantFrom('a', '\0', '\ud83d', '\ude00'),
    fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
  );
  const piece = fc.array(unit, { maxLength: 5 }).map((units) => units.join(''));
  const fate = fc.constantFrom('waits', 'sent', 'lost');

  it('sends deltas that no offset of which is inside a pair, and that make up the whole text', () => {
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
  it('lets the first frame leave at once', () => {
    expect(delayToNextFrame(1234.5, Number.NEGATIVE_INFINITY)).toBe(0);
  });

  it('lets a frame leave at once after a pause', () => {
    expect(delayToNextFrame(1200, 1100)).toBe(0);
  });

  it('brings frames onto the common beat, at least 45 ms apart', () => {
    expect(delayToNextFrame(1112, 1112)).toBe(88);
    expect(delayToNextFrame(1107, 1107)).toBe(93);
    expect(delayToNextFrame(1104, 1104)).toBe(46);
  });

  it('keeps the beat when timers fire a little late', () => {
    expect(delayToNextFrame(1160, 1151.5)).toBe(40);
  });

  it('sends at most 20 frames in any second, whatever comes', () => {
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
