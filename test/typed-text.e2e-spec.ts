import { randomUUID } from 'node:crypto';
import { hash } from '@node-rs/argon2';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import type { SignIn, User } from '../protocol/resources.js';
import { aChat, history, say } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { request } from './support/http.js';
import { rememberSecret } from './support/secrets.js';
import {
  anAdmin,
  as,
  aUser,
  createConversation,
  register,
  remembered,
  type TestUser,
} from './support/user.js';

/** Texts without a visible character. */
const BLANKS = ['', '   ', ' \n\t ', '\u00a0\u2003', '\u200b', ' \u200b\ufeff\u2060 '];

let cluster: Cluster;
let alice: TestUser;

beforeAll(async () => {
  cluster = await startCluster();
  alice = await aUser(cluster);
});
afterAll(() => cluster?.stop());

function login(email: string, password: string) {
  return request<SignIn & Problem>('POST', `${cluster.node.url}/auth/login`, { body: { email, password } });
}

async function signedIn(email: string, password: string): Promise<SignIn> {
  const { status, body } = await login(email, password);
  expect(status).toBe(200);
  remembered(body);
  return body;
}

describe('an e-mail address', () => {
  const formsOf = (email: string) => [
    email,
    ` ${email.toUpperCase()} `,
    `${email}\u00a0`,
    `\u200b${email}\n`,
  ];

  it('is one account, however it is typed', async () => {
    const { email, password, user } = await register(cluster.node, {
      email: `\u00a0Ada-${randomUUID()}@Example.TEST `,
    });
    expect(user.email).toBe(email.replace('\u00a0', '').trim().toLowerCase());
    for (const form of formsOf(user.email)) {
      expect((await signedIn(form, password)).user.id).toBe(user.id);
      const body = { email: form, password };
      const again = await request('POST', `${cluster.other.url}/auth/register`, { body });
      expect(again.status).toBe(409);
    }
    expect(await cluster.sql('SELECT email FROM users WHERE id = $1', [user.id])).toEqual([
      { email: user.email },
    ]);
  });

  it.each(['', ' \u00a0 ', 'nobody', 'a b@example.test'])('%j cannot be registered', async (email) => {
    const body = { email, password: rememberSecret('a password that nobody has') };
    await request('POST', `${cluster.node.url}/auth/register`, { body, expect: 400 });
  });
});

describe('a password', () => {
  const composed = rememberSecret('Z\u00fcrich am See 1');
  const decomposed = rememberSecret('Zu\u0308rich\u00a0am See 1');

  it('is the same in every Unicode form a keyboard may send, at registration, sign-in and change', async () => {
    const { email } = await register(cluster.node, { password: decomposed });
    await signedIn(email, composed);
    const { access_token: token } = await signedIn(email, decomposed);
    const next = rememberSecret('Cafe\u0301 in the morning');
    const body = { current_password: composed, new_password: next };
    await request('POST', `${cluster.node.url}/auth/password`, { token, body, expect: 204 });
    await signedIn(email, next.normalize('NFC'));
    await signedIn(email, next);
  });

  it('is not trimmed', async () => {
    const password = rememberSecret(' with space around ');
    const { email } = await register(cluster.node, { password });
    expect((await login(email, password.trim())).status).toBe(401);
    await signedIn(email, password);
  });

  it('that an earlier build hashed as typed is right when it is typed the same way', async () => {
    const { email } = await register(cluster.node);
    await cluster.sql('UPDATE users SET password_hash = $2 WHERE email = $1', [
      email,
      await hash(decomposed),
    ]);
    await signedIn(email, decomposed);
    expect((await login(email, 'Z\u00fcrich am See 2')).body.code).toBe('credentials_invalid');
  });
});

describe('text that is not Unicode', () => {
  /** A body as it is written, byte for byte, in Latin-1. */
  const send = async (method: string, path: string, body: string, headers: Record<string, string> = {}) => {
    const response = await fetch(cluster.node.url + path, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      body: Buffer.from(body, 'latin1'),
    });
    const problem = (await response.json()) as Problem;
    return [response.status, problem.code, problem.detail];
  };
  const LONE = '\\ud800';
  const NUL = '\\u0000';

  it.each([
    ['a lone surrogate', `a password ${LONE}`],
    ['another lone surrogate', 'a password \\uDFFF'],
    ['NUL', `a password ${NUL}`],
  ])('is refused as a password at registration, sign-in and change: %s', async (_what, password) => {
    const { email, password: right } = await register(cluster.node);
    const account = (email: string) => JSON.stringify({ email }).replace('}', `,"password":"${password}"}`);
    const expected = [400, 'validation_failed', '"password" must be well-formed Unicode without NUL'];
    expect(await send('POST', '/auth/register', account(`${randomUUID()}@example.test`))).toEqual(expected);
    expect(await send('POST', '/auth/login', account(email))).toEqual(expected);
    const { access_token } = await signedIn(email, right);
    const change = `{"current_password":"${right}","new_password":"${password}"}`;
    const headers = { authorization: `Bearer ${access_token}` };
    expect((await send('POST', '/auth/password', change, headers)).slice(0, 2)).toEqual([
      400,
      'validation_failed',
    ]);
    await signedIn(email, right);
  });

  it('is refused as a body: two passwords in Latin-1 would be stored as one', async () => {
    for (const letter of ['\u00e4', '\u00f6']) {
      const body = `{"email":"${randomUUID()}@example.test","password":"a long p${letter}ssword"}`;
      const expected = [400, 'validation_failed', 'the body must be JSON in UTF-8'];
      expect(await send('POST', '/auth/register', body)).toEqual(expected);
      expect(await send('POST', '/auth/login', body)).toEqual(expected);
    }
  });

  it.each<[string, string, string]>([
    ['POST', '/auth/login', `{"email":"a${NUL}@example.test","password":"x"}`],
    ['POST', '/auth/register', `{"email":"a@example.test","password":"x","display_name":"${LONE}"}`],
    ['POST', '/auth/refresh', `{"refresh_token":"${NUL}"}`],
    ['POST', '/auth/exchange', `{"token":"${LONE}"}`],
    ['POST', '/websocket/ticket', `{"client_id":"${NUL}"}`],
    ['POST', '/conversations', `{"title":"a${NUL}"}`],
    ['POST', '/conversations', `{"title":"a","unknown":{"deep":["${LONE}"]}}`],
    ['POST', '/conversations', `{"title":"a","${LONE}":1}`],
    ['POST', '/conversations/ID/messages', `{"client_message_id":"${LONE}","content":"x"}`],
    ['POST', '/conversations/ID/messages', `{"client_message_id":"x","content":"x${NUL}"}`],
    ['PATCH', '/conversations/ID', `{"title":"${LONE}"}`],
    ['PUT', '/admin/flags/legacy_cookie', `{"enabled":true,"reason":"${NUL}"}`],
    ['PUT', '/admin/flags/legacy_cookie', `{"enabled":true,"percent":1e400}`],
    ['POST', '/conversations', '{"title":'.concat('['.repeat(100), ']'.repeat(100), '}')],
    ['POST', '/conversations', '{"title":'.concat('['.repeat(60_000), ']'.repeat(60_000), '}')],
    ['POST', '/conversations', '{"title":"a","__proto__":{"title":"b"}}'],
  ])('is refused wherever text is taken: %s %s %s', async (method, path, body) => {
    const { id } = await createConversation(cluster.node, alice);
    const admin = path.startsWith('/admin') ? await anAdmin(cluster) : alice;
    const headers = { authorization: `Bearer ${admin.accessToken}` };
    const [status, code] = await send(method, path.replace('ID', id), body, headers);
    expect([status, code]).toEqual([400, 'validation_failed']);
  });

  it('does not matter for a member that comes twice: its last value counts', async () => {
    const response = await fetch(`${cluster.node.url}/conversations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${alice.accessToken}` },
      body: '{"title":"first","title":"second"}',
    });
    expect([response.status, ((await response.json()) as { title: string }).title]).toEqual([201, 'second']);
  });

  it('is refused in every frame, with its id where that is usable', async () => {
    const { socket, id } = await aChat(cluster.node, alice);
    const frames: [string, string | undefined][] = [
      [`{"type":"ping","id":"1","data":{"t":"${LONE}"}}`, '1'],
      [`{"type":"ping","id":"2","data":{"unknown":["${NUL}"]}}`, '2'],
      [`{"type":"ping","id":"3","data":{"t":1e400}}`, '3'],
      [
        `{"type":"message.send","id":"4","data":{"conversation_id":"${id}","client_message_id":"${NUL}","content":"x"}}`,
        '4',
      ],
      [
        `{"type":"message.send","id":"5","data":{"conversation_id":"${id}","client_message_id":"x","content":"\\udc00"}}`,
        '5',
      ],
      [`{"type":"auth.refresh","id":"6","data":{"ticket":"${LONE}"}}`, '6'],
      [`{"type":"ping","${LONE}":1,"id":"7"}`, '7'],
      [`{"type":"ping","id":"${LONE}"}`, undefined],
    ];
    for (const [text, re] of frames) {
      socket.sendRaw(text);
      const { data, re: answered } = await socket.next('error');
      expect([data.code, answered]).toEqual(['validation_failed', re]);
    }
    expect((await socket.send('ping', { t: 'a \ud83d\ude00' })).data).toMatchObject({ t: 'a \ud83d\ude00' });
    await socket.close();
  });
});

describe('invisible text', () => {
  it.each(BLANKS)('%j is refused as a message, over a socket and over HTTP', async (content) => {
    const chat = await aChat(cluster.node, alice);
    expect(await say(chat, content)).toMatchObject({ type: 'error', data: { code: 'validation_failed' } });
    const body = { client_message_id: randomUUID(), content };
    const url = `${cluster.node.url}/conversations/${chat.id}/messages`;
    const { body: problem } = await as<Problem>(alice, 'POST', url, { body, expect: 400 });
    expect(problem.code).toBe('validation_failed');
    expect(await history(chat)).toEqual([]);
    await chat.socket.close();
  });

  it.each(BLANKS)('%j is refused as a title', async (title) => {
    const { id } = await createConversation(cluster.node, alice);
    for (const [method, path] of [
      ['POST', ''],
      ['PATCH', `/${id}`],
    ] as const) {
      const url = `${cluster.node.url}/conversations${path}`;
      const { body } = await as<Problem>(alice, method, url, { body: { title }, expect: 400 });
      expect(body.code).toBe('validation_failed');
    }
  });

  it.each(BLANKS)('%j is refused as a name', async (display_name) => {
    const password = rememberSecret('a password that nobody has');
    const body = { email: `${randomUUID()}@example.test`, password, display_name };
    await request<{ user: User }>('POST', `${cluster.node.url}/auth/register`, { body, expect: 400 });
  });
});
