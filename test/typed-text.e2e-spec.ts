import { randomUUID } from 'node:crypto';
import { hash } from '@node-rs/argon2';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import type { SignIn, User } from '../protocol/resources.js';
import { aChat, history, say } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { request } from './support/http.js';
import { rememberSecret } from './support/secrets.js';
import { as, aUser, createConversation, register, remembered, type TestUser } from './support/user.js';

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
