import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  LIMITS,
  contentFault,
  parseClientFrame,
  type ClientFrame,
  type ClientFrameData,
  type ClientFrameType,
} from './messages.js';
import { unstorable } from './text.js';

const id = fc.uuid();
const clientMessageId = fc
  .string({ minLength: 1, maxLength: LIMITS.maxClientMessageIdLength })
  .filter((text) => !unstorable(text));
const content = fc
  .string({ minLength: 1, maxLength: 200, unit: 'grapheme' })
  .filter((text) => !unstorable(text));
const seq = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const partial = fc.record({ message_id: id, offset: seq });
const cursor = fc.record(
  { conversation_id: id, seq, partials: fc.array(partial, { maxLength: 3 }) },
  { requiredKeys: ['conversation_id', 'seq'] },
);

/** Data that each frame may carry. */
const DATA: { [T in ClientFrameType]: fc.Arbitrary<ClientFrameData[T]> } = {
  subscribe: fc.record({ conversation_id: id, after_seq: seq }, { requiredKeys: ['conversation_id'] }),
  unsubscribe: fc.record({ conversation_id: id }),
  resume: fc.record({ cursors: fc.array(cursor, { maxLength: 5 }) }),
  'message.send': fc.record(
    {
      conversation_id: id,
      client_message_id: clientMessageId,
      content,
      parent_id: id,
      on_busy: fc.constantFrom('queue', 'reject', 'interrupt'),
    },
    { requiredKeys: ['conversation_id', 'client_message_id', 'content'] },
  ),
  'message.regenerate': fc.record({
    conversation_id: id,
    client_message_id: clientMessageId,
    message_id: id,
  }),
  'run.cancel': fc.oneof(fc.record({ run_id: id }), fc.record({ client_message_id: clientMessageId })),
  'auth.refresh': fc.record({ ticket: fc.string({ minLength: 1, maxLength: 256 }) }),
  ping: fc.record(
    { t: fc.oneof(fc.integer(), fc.string({ maxLength: LIMITS.maxFrameIdLength })) },
    { requiredKeys: [] },
  ),
};

const frameId = fc.string({ minLength: 1, maxLength: LIMITS.maxFrameIdLength });
const frame = fc.oneof(
  ...Object.entries(DATA).map(([type, data]) =>
    fc.record({ type: fc.constant(type), id: frameId, data }, { requiredKeys: ['type', 'data'] }),
  ),
) as fc.Arbitrary<ClientFrame>;

describe('parseClientFrame', () => {
  test('returns every frame that a client may send', () => {
    fc.assert(
      fc.property(frame, (sent) => {
        expect(parseClientFrame(JSON.stringify(sent))).toEqual({ ok: true, frame: sent });
      }),
    );
  });

  test('never throws on any text, and says what is wrong with it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), fc.string({ unit: 'binary' })), (text) => {
        const parsed = parseClientFrame(text);
        if (!parsed.ok) expect(parsed.fault.detail).not.toBe('');
      }),
    );
  });

  test('never throws on a known type with any data, and repeats the id in its fault', () => {
    const types = fc.constantFrom(...Object.keys(DATA), '__proto__', 'constructor', 'toString');
    fc.assert(
      fc.property(types, frameId, fc.jsonValue(), (type, id, data) => {
        const parsed = parseClientFrame(JSON.stringify({ type, id, data }));
        expect(parsed.ok ? parsed.frame.id : parsed.fault.id).toBe(id);
      }),
    );
  });

  test('never throws on the deepest nesting that fits into a frame, or on keys that every object has', () => {
    const depth = fc.integer({ min: 1, max: LIMITS.maxFrameBytes / 2 });
    const key = fc.constantFrom('__proto__', 'constructor', 'prototype', 'hasOwnProperty', 'toString');
    const types = fc.constantFrom(...Object.keys(DATA));
    fc.assert(
      fc.property(types, key, depth, fc.boolean(), (type, key, depth, isClosed) => {
        const nested = '['.repeat(depth) + (isClosed ? ']'.repeat(depth) : '');
        for (const text of [
          nested,
          `{"type":"${type}","data":{"${key}":${nested}}}`,
          `{"${key}":${nested}}`,
        ]) {
          expect(parseClientFrame(text)).toHaveProperty('ok');
        }
      }),
    );
  });

  test('drops members that the protocol does not have', () => {
    fc.assert(
      fc.property(frame, fc.dictionary(fc.string(), fc.jsonValue()), (sent, extra) => {
        const data = { ...extra, ...sent.data };
        const parsed = parseClientFrame(
          JSON.stringify({ ...sent, data, user_id: 'somebody else', role: 'admin' }),
        );
        if (!parsed.ok) return;
        expect(Object.keys(parsed.frame).filter((name) => !['type', 'id', 'data'].includes(name))).toEqual(
          [],
        );
        const known = new Set([
          'conversation_id',
          'client_message_id',
          'content',
          'parent_id',
          'on_busy',
          'after_seq',
        ]);
        for (const name of ['cursors', 'message_id', 'run_id', 'ticket', 't']) known.add(name);
        expect(Object.keys(parsed.frame.data).filter((name) => !known.has(name))).toEqual([]);
      }),
    );
  });

  test.each([
    ['not JSON', '{', 'frame_invalid'],
    ['a list', '[]', 'frame_invalid'],
    ['null', 'null', 'frame_invalid'],
    ['no type', '{"data":{}}', 'frame_invalid'],
    ['an empty id', '{"type":"ping","id":""}', 'frame_invalid'],
    ['a numeric id', '{"type":"ping","id":1}', 'frame_invalid'],
    ['data that is a list', '{"type":"ping","data":[]}', 'frame_invalid'],
    ['a type of the server', '{"type":"ready","data":{}}', 'frame_unknown'],
    ['a type that every object has', '{"type":"toString","data":{}}', 'frame_unknown'],
    ['a missing member', '{"type":"subscribe","data":{}}', 'validation_failed'],
    [
      'a negative offset',
      '{"type":"subscribe","data":{"conversation_id":"4b0c6f0e-5f7c-4f49-8f53-6a2a4d6f9c01","after_seq":-1}}',
      'validation_failed',
    ],
    ['neither run nor message', '{"type":"run.cancel","data":{}}', 'validation_failed'],
  ])('refuses %s', (_what, text, code) => {
    expect(parseClientFrame(text)).toMatchObject({ ok: false, fault: { code } });
  });
});

describe('contentFault', () => {
  test.each([
    ['the shortest', 'a', true],
    ['the longest', 'a'.repeat(32_000), true],
    ['a whole surrogate pair', '\u{1f600}', true],
    ['nothing', '', false],
    ['one character too many', 'a'.repeat(32_001), false],
    ['half a surrogate pair', 'a\ud83d', false],
    ['NUL', 'a\0b', false],
    ['a number', 7, false],
  ])('checks %s', (_what, value, isGood) => {
    expect(contentFault(value) === undefined).toBe(isGood);
  });
});
