import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import WebSocket from 'ws';
import type { Problem } from '../protocol/errors.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import type { TestNode } from './support/node.js';
import { clientFrame, closeFrame, RawSocket } from './support/raw-socket.js';
import type { FrameShape } from './support/raw-socket.js';
import { TestSocket } from './support/socket.js';
import { aUser, createConversation, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const KIB = 1024;
const ping = (id: string, padding = 0) =>
  JSON.stringify({ type: 'ping', id, data: { t: id } }).padEnd(padding, ' ');

describe('a frame', () => {
  let cluster: Cluster;
  let node: TestNode;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1, env: { WS_MAX_CONNECTIONS_PER_SESSION: '20' } });
    node = cluster.node;
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  const dialRaw = async (first?: Buffer) =>
    RawSocket.open(node, { ticket: (await mintTicket(node, user)).ticket }, first);

  it.each<[string, string, string]>([
    ['nothing', '', 'frame_invalid'],
    ['text', 'hello', 'frame_invalid'],
    ['half an object', '{"type":"ping"', 'frame_invalid'],
    ['a list', '[{"type":"ping"}]', 'frame_invalid'],
    ['null', 'null', 'frame_invalid'],
    ['a number', '1', 'frame_invalid'],
    ['an empty object', '{}', 'frame_invalid'],
    ['an object whose type is a number', '{"type":1}', 'frame_invalid'],
    ['an object whose id is a number', '{"type":"ping","id":1}', 'frame_invalid'],
    ['an object whose id is too long', `{"type":"ping","id":"${'x'.repeat(65)}"}`, 'frame_invalid'],
    ['an object whose data is a list', '{"type":"ping","data":[]}', 'frame_invalid'],
    ['ten thousand brackets', '['.repeat(10_000), 'frame_invalid'],
    ['ten thousand nested lists', '['.repeat(10_000) + ']'.repeat(10_000), 'frame_invalid'],
    ['of a type that only the server sends', '{"type":"ready"}', 'frame_unknown'],
    ['of an unknown type', '{"type":"message.delete"}', 'frame_unknown'],
    ['the first frame of the old system', '{"type":"initial","user_id":"1"}', 'frame_unknown'],
    ['of the type __proto__', '{"type":"__proto__"}', 'frame_unknown'],
    ['of the type constructor', '{"type":"constructor"}', 'frame_unknown'],
  ])('that is %s is answered with an error', async (_what, text, code) => {
    const socket = await TestSocket.open(node, user);
    socket.sendRaw(text);
    const { data, error } = await socket.next('error');
    expect(data).toMatchObject({ code, instance: '/ws', status: 400, trace_id: expect.any(String) });
    expect(error).toBe(data.title);
    expect((await socket.send('ping', {})).type).toBe('pong');
    await socket.close();
  });

  it('that its handler refuses gets an error with the id of the frame', async () => {
    const { id: conversation_id } = await createConversation(node, user);
    const message = (fields: object) => ({
      conversation_id,
      client_message_id: 'm1',
      content: 'x',
      ...fields,
    });
    const faults: [string, object][] = [
      ['subscribe', { conversation_id: 'x' }],
      ['subscribe', { conversation_id, after_seq: -1 }],
      ['resume', { cursors: {} }],
      ['resume', { cursors: [{ conversation_id }] }],
      ['message.send', message({ conversation_id: '1' })],
      ['message.send', message({ content: '' })],
      ['message.send', message({ content: 'x'.repeat(32_001) })],
      ['message.send', message({ content: 'NUL \u0000' })],
      ['message.send', message({ content: 'half \ud83d' })],
      ['message.send', message({ content: 1 })],
      ['message.send', message({ client_message_id: '' })],
      ['message.send', message({ on_busy: 'explode' })],
      ['run.cancel', { run_id: 'x' }],
      ['run.cancel', {}],
      ['auth.refresh', {}],
      ['ping', { t: {} }],
    ];
    for (const group of [
      faults.slice(0, 3),
      faults.slice(3, 6),
      faults.slice(6, 9),
      faults.slice(9, 12),
      faults.slice(12),
    ]) {
      const socket = await TestSocket.open(node, user);
      for (const [type, data] of group) {
        const answer = await socket.send(type as 'ping', data);
        expect(answer).toMatchObject({ type: 'error', data: { code: 'validation_failed', retry: 'none' } });
      }
      await socket.close();
    }
  });

  it('for somebody else’s conversation gets the same error as for a missing one', async () => {
    const stranger = await aUser(cluster);
    const { id } = await createConversation(node, stranger);
    const socket = await TestSocket.open(node, user);
    const answers: Problem[] = [];
    for (const conversation_id of [id, '11111111-1111-4111-8111-111111111111']) {
      const answer = await socket.send('message.send', {
        conversation_id,
        client_message_id: 'm',
        content: 'x',
      });
      answers.push({ ...(answer.data as Problem), trace_id: '' });
    }
    expect(answers[0]).toMatchObject({ code: 'conversation_not_found', status: 404 });
    expect(answers[0]).toEqual(answers[1]);
    await socket.close();
  });

  it('never changes the identity of a socket, whatever it contains', async () => {
    const stranger = await aUser(cluster);
    const socket = await TestSocket.open(node, user);
    const extra = { user_id: stranger.user.id, token: stranger.accessToken };
    const answer = await socket.send('ping', { t: 1, ...extra });
    expect(answer.data).toEqual({ t: 1, server_time: expect.any(String) });
    await socket.close();
    expect((await TestSocket.open(node, user)).all('ready')[0]?.data.user).toEqual(user.user);
  });

  it('is answered in the order in which it came, valid or not', async () => {
    const { id: conversation_id } = await createConversation(node, user);
    const socket = await TestSocket.open(node, user);
    const ids = Array.from({ length: 60 }, (_, index) => `n${index}`);
    for (const [index, id] of ids.entries()) {
      const subscribe = { type: index % 2 ? 'subscribe' : 'unsubscribe', id, data: { conversation_id } };
      const frames = [
        ping(id),
        JSON.stringify(subscribe),
        JSON.stringify({ type: 'ping', id, data: { t: [] } }),
      ];
      socket.sendRaw(frames[index % 3] ?? '');
    }
    await socket.nextWhere((frame) => frame.re === ids.at(-1), 'the last answer');
    expect(socket.frames.flatMap((frame) => frame.re ?? [])).toEqual(ids);
    await socket.close();
  });

  it('may be fragmented, with a ping between its parts', async () => {
    const raw = await dialRaw();
    const text = ping('parts');
    raw.write(
      clientFrame(text.slice(0, 5), { fin: false }),
      clientFrame('', { opcode: 9 }),
      clientFrame(text.slice(5, 9), { opcode: 0, fin: false }),
      clientFrame(text.slice(9), { opcode: 0 }),
    );
    await eventually(() => raw.frames.find((frame) => frame.re === 'parts'), 'the pong');
    raw.destroy();
  });

  it('that arrives in the same packet as the handshake is not lost', async () => {
    const raw = await dialRaw(Buffer.concat([clientFrame(ping('early')), clientFrame(ping('second'))]));
    await eventually(() => raw.frames.length >= 3, 'ready and two answers');
    expect(raw.frames.map(({ type, re }) => [type, re])).toEqual([
      ['ready', undefined],
      ['pong', 'early'],
      ['pong', 'second'],
    ]);
    raw.destroy();
  });

  it('may have 64 KiB', async () => {
    const socket = await TestSocket.open(node, user);
    socket.sendRaw(ping('full', 64 * KIB));
    expect((await socket.next('pong')).re).toBe('full');
    await socket.close();
  });

  const begun = () => clientFrame('{', { fin: false });
  const odd = (shape: FrameShape, payload: string | Buffer = '') => [clientFrame(payload, shape)];

  it.each<[string, number, string, () => Buffer[]]>([
    ['is larger than 64 KiB', 1009, 'frame_too_large', () => odd({}, ping('big', 64 * KIB + 1))],
    ['claims to be a terabyte', 1009, 'frame_too_large', () => odd({ length: 1n << 40n }, 'x')],
    ['claims a length above 2^53', 1009, 'frame_too_large', () => odd({ length: 1n << 62n }, 'x')],
    [
      'is larger than 64 KiB in two parts',
      1009,
      'frame_too_large',
      () => [
        clientFrame('x'.repeat(40 * KIB), { fin: false }),
        clientFrame('x'.repeat(40 * KIB), { opcode: 0 }),
      ],
    ],
    ['is binary', 1003, 'unsupported_data', () => odd({ opcode: 2 }, ping('binary'))],
    [
      'is binary, with a ping after it',
      1003,
      'unsupported_data',
      () => [...odd({ opcode: 2 }, 'x'), ...odd({ opcode: 9 })],
    ],
    ['is not UTF-8', 1007, 'invalid_payload', () => odd({}, Buffer.from([0x22, 0xff, 0xfe, 0x22]))],
    ['ends in half a character', 1007, 'invalid_payload', () => odd({}, Buffer.from([0x22, 0xe2, 0x82]))],
    ['is not masked', 1002, 'protocol_error', () => odd({ masked: false }, ping('bare'))],
    ['uses a reserved bit', 1002, 'protocol_error', () => odd({ reserved: 4 }, ping('rsv'))],
    ['has a reserved opcode', 1002, 'protocol_error', () => odd({ opcode: 3 })],
    ['is a control frame in parts', 1002, 'protocol_error', () => odd({ opcode: 9, fin: false })],
    [
      'is a control frame that is too long',
      1002,
      'protocol_error',
      () => odd({ opcode: 9 }, 'x'.repeat(126)),
    ],
    ['continues nothing', 1002, 'protocol_error', () => odd({ opcode: 0 }, 'x')],
    ['begins while another has not ended', 1002, 'protocol_error', () => [begun(), clientFrame('{}')]],
    ['closes with an invalid code', 1002, 'protocol_error', () => [closeFrame(999)]],
    ['closes with a code that is never sent', 1002, 'protocol_error', () => [closeFrame(1006)]],
    ['closes with half a code', 1002, 'protocol_error', () => odd({ opcode: 8 }, 'x')],
  ])('that %s ends the socket with %i and a reason', async (_what, code, reason, frames) => {
    const raw = await dialRaw();
    raw.write(...frames());
    expect(await raw.closes()).toEqual({ code, reason });
    raw.destroy();
  });

  it('that is unusable ends the socket with 4400 when it is the fourth within 10 seconds; each gets an error', async () => {
    const socket = await TestSocket.open(node, user);
    for (const text of ['1', '2', '3', '4']) socket.sendRaw(text);
    expect(await socket.closes()).toEqual({ code: 4400, reason: 'bad_frame' });
    expect(socket.all('error')).toHaveLength(4);
  });

  it('of the protocol itself is answered: ping with pong, close with the same close', async () => {
    const socket = await TestSocket.open(node, user);
    const pong = new Promise<string>((resolve) => socket.ws.once('pong', (data) => resolve(data.toString())));
    // RFC 6455 section 5.5.3: an unsolicited pong is not a fault.
    socket.ws.pong('unasked');
    socket.ws.ping('beat');
    expect(await pong).toBe('beat');
    expect((await socket.close()).code).toBe(1000);
  });

  it('is not affected by a flood of another user', async () => {
    const socket = await TestSocket.open(node, user);
    const noisy = await TestSocket.open(node, await aUser(cluster));
    for (let count = 0; count < 3000; count++) noisy.sendRaw(ping(`flood-${count}`));
    const start = performance.now();
    expect((await socket.send('ping', {})).type).toBe('pong');
    expect(performance.now() - start).toBeLessThan(1000);
    await noisy.nextWhere(({ re }) => re === 'flood-2999', 'the answer to the last of a flood');
    expect(noisy.ws.readyState).toBe(WebSocket.OPEN);
    await Promise.all([socket.close(), noisy.close()]);
  });
});
