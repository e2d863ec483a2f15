import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import type { DurableEvent } from '../protocol/messages.js';
import type { AcceptedMessage, Conversation, MessagePage } from '../protocol/resources.js';
import { type Chat, aChat, ask, endOf, history, say, watch } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { as, aUser, createConversation, type TestUser } from './support/user.js';

let cluster: Cluster;
let alice: TestUser;
let mallory: TestUser;

beforeAll(async () => {
  cluster = await startCluster();
  [alice, mallory] = await Promise.all([aUser(cluster), aUser(cluster)]);
});
afterAll(() => cluster?.stop());

function url(path = ''): string {
  return `${cluster.node.url}/conversations${path}`;
}

describe('conversations', () => {
  it('are created with a trimmed title, or with a default one', async () => {
    const named = await as<Conversation>(alice, 'POST', url(), { body: { title: '  Plans ' }, expect: 201 });
    const unnamed = await as<Conversation>(alice, 'POST', url(), { expect: 201 });
    expect(named.body).toEqual({
      id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      title: 'Plans',
      last_seq: 0,
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      updated_at: named.body.created_at,
    });
    expect(unnamed.body.title).toBe('New conversation');
  });

  it('take no owner, id or time from the client', async () => {
    const id = randomUUID();
    const body = {
      title: 'x',
      id,
      user_id: mallory.user.id,
      last_seq: 9,
      created_at: '2001-01-01T00:00:00.000Z',
    };
    const { body: created } = await as<Conversation>(alice, 'POST', url(), { body, expect: 201 });
    expect(created.id).not.toBe(id);
    expect(created.last_seq).toBe(0);
    expect(created.created_at > '2020').toBe(true);
    await as(alice, 'GET', url(`/${created.id}`), { expect: 200 });
    await as(mallory, 'GET', url(`/${created.id}`), { expect: 404 });
  });

  it.each([
    ['201 characters', 'x'.repeat(201)],
    ['NUL', 'a\0b'],
    ['half a surrogate pair', '\ud83d'],
    ['a number', 7],
  ])('refuse a title of %s', async (_name, title) => {
    const { body } = await as<Problem>(alice, 'POST', url(), { body: { title }, expect: 400 });
    expect(body.code).toBe('validation_failed');
  });

  it('are renamed, but not to nothing', async () => {
    const { id } = await createConversation(cluster.node, alice, 'before');
    const { body } = await as<Conversation>(alice, 'PATCH', url(`/${id}`), {
      body: { title: ' after ' },
      expect: 200,
    });
    expect(body.title).toBe('after');
    await as(alice, 'PATCH', url(`/${id}`), { body: { title: '  ' }, expect: 400 });
    await as(alice, 'PATCH', url(`/${id}`), { body: {}, expect: 400 });
  });

  it('are listed newest first, and paging returns each exactly once', async () => {
    const user = await aUser(cluster);
    const created: string[] = [];
    for (let count = 0; count < 7; count++) created.push((await createConversation(cluster.node, user)).id);
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const query = `?limit=3${cursor === undefined ? '' : `&cursor=${encodeURIComponent(cursor)}`}`;
      const { body } = await as<{ conversations: Conversation[]; next_cursor?: string }>(
        user,
        'GET',
        url(query),
        {
          expect: 200,
        },
      );
      seen.push(...body.conversations.map(({ id }) => id));
      cursor = body.next_cursor;
    } while (cursor !== undefined);
    expect(seen).toEqual(created.toReversed());
  });

  it.each([
    'limit=0',
    'limit=101',
    'limit=-1',
    'limit=x',
    'limit=1e1',
    'limit=',
    'cursor=zzz',
    'limit=1&limit=2',
  ])('refuse to be listed with ?%s', async (query) => {
    const { body } = await as<Problem>(alice, 'GET', url(`?${query}`), { expect: 400 });
    expect(body.code).toBe('validation_failed');
  });

  it('of a stranger, missing ones and invalid ids all get the same response', async () => {
    const { id } = await createConversation(cluster.node, alice);
    const requests: [string, string, unknown?][] = [
      ['GET', ''],
      ['PATCH', '', { title: 'mine' }],
      ['DELETE', ''],
      ['GET', '/messages'],
      ['GET', '/events'],
      ['POST', '/messages', { client_message_id: 'x', content: 'x' }],
      ['POST', `/runs/${randomUUID()}/cancel`],
    ];
    for (const [method, path, body] of requests) {
      for (const other of [id, randomUUID(), 'not-an-id', "1' OR '1'='1", '%00']) {
        const address = url(`/${encodeURIComponent(other)}${path}`);
        const answer = await as<Problem>(mallory, method, address, { body });
        expect([method, path, answer.status, answer.body.code, answer.body.detail]).toEqual([
          method,
          path,
          404,
          'conversation_not_found',
          'Conversation not found or access denied',
        ]);
      }
    }
    await as(alice, 'GET', url(`/${id}`), { expect: 200 });
  });

  it('are deleted with everything in them, and their sockets on every node close with 4404', async () => {
    const chat = await aChat(cluster.node, alice);
    const onPath = await watch(chat, cluster.other);
    const { run_id } = await ask(chat, 'count to 300');
    await chat.socket.next('message.delta');
    await as(alice, 'DELETE', url(`/${chat.id}`), { expect: 204 });
    expect(await onPath.closes()).toEqual({ code: 4404, reason: 'conversation_not_found' });
    await as(alice, 'GET', url(`/${chat.id}/messages`), { expect: 404 });
    await as(alice, 'DELETE', url(`/${chat.id}`), { expect: 404 });
    expect((await say(chat, 'still there?')).data).toMatchObject({ code: 'conversation_not_found' });
    expect((await chat.socket.send('run.cancel', { run_id })).data).toMatchObject({ code: 'run_not_found' });
    expect(await cluster.sql('SELECT 1 FROM events WHERE conversation_id = $1', [chat.id])).toEqual([]);
    await chat.socket.close();
  });
});

describe('messages over HTTP', () => {
  let chat: Chat;
  beforeAll(async () => {
    chat = await aChat(cluster.node, alice);
    for (let number = 1; number <= 3; number++) {
      await endOf(chat.socket, (await ask(chat, `count to ${number}`)).run_id);
    }
  });
  afterAll(() => chat?.socket.close());

  async function page(query: string): Promise<[string[], boolean]> {
    const { body } = await as<MessagePage>(alice, 'GET', url(`/${chat.id}/messages${query}`), {
      expect: 200,
    });
    return [body.messages.map(({ content }) => content), body.has_more];
  }

  it('are listed oldest first within a page, newest page first', async () => {
    expect(await page('')).toEqual([['count to 1', '1', 'count to 2', '1 2', 'count to 3', '1 2 3'], false]);
    expect(await page('?limit=2')).toEqual([['count to 3', '1 2 3'], true]);
  });

  it('are paged backwards with before_seq and forwards with after_seq', async () => {
    const [first, , third, fourth] = await history(chat);
    expect(await page(`?limit=2&before_seq=${fourth!.seq}`)).toEqual([['1', 'count to 2'], true]);
    expect(await page(`?limit=2&before_seq=${third!.seq}`)).toEqual([['count to 1', '1'], false]);
    expect(await page(`?limit=2&after_seq=${first!.seq}`)).toEqual([['1', 'count to 2'], true]);
    expect(await page(`?limit=2&after_seq=${fourth!.seq}`)).toEqual([['count to 3', '1 2 3'], false]);
    expect(await page('?after_seq=999')).toEqual([[], false]);
  });

  it('name their run, their question and their sender', async () => {
    const [question, answer] = await history(chat);
    expect(question).toMatchObject({
      role: 'user',
      status: 'complete',
      client_message_id: expect.any(String),
    });
    expect(question).not.toHaveProperty('run_id');
    expect(answer).toMatchObject({ role: 'assistant', status: 'complete', parent_id: question!.id });
    expect(answer).toHaveProperty('run_id');
  });

  it.each(['limit=0', 'limit=201', 'after_seq=-1', 'before_seq=x', 'after_seq=99999999999999999999'])(
    'refuse ?%s',
    async (query) => {
      await as(alice, 'GET', url(`/${chat.id}/messages?${query}`), { expect: 400 });
    },
  );

  it('have a log of events that is numbered from 1 without gaps', async () => {
    const { body } = await as<{ events: DurableEvent[]; last_seq: number }>(
      alice,
      'GET',
      url(`/${chat.id}/events`),
    );
    expect(body.events.map(({ seq }) => seq)).toEqual(
      Array.from({ length: body.last_seq }, (_, index) => index + 1),
    );
    expect(body.events.slice(0, 4).map(({ type }) => type)).toEqual([
      'message.created',
      'message.created',
      'run.started',
      'run.completed',
    ]);
    const rest = await as<{ events: DurableEvent[] }>(
      alice,
      'GET',
      url(`/${chat.id}/events?after_seq=2&limit=2`),
    );
    expect(rest.body.events).toEqual(body.events.slice(2, 4));
    await as(alice, 'GET', url(`/${chat.id}/events?limit=1001`), { expect: 400 });
  });

  it('are accepted once per client_message_id, with 202 and the limits in the headers', async () => {
    const body = { client_message_id: randomUUID(), content: 'count to 2' };
    const first = await as<AcceptedMessage>(alice, 'POST', url(`/${chat.id}/messages`), {
      body,
      expect: 202,
    });
    const again = await as<AcceptedMessage>(alice, 'POST', url(`/${chat.id}/messages`), {
      body,
      expect: 202,
    });
    expect(first.body).toMatchObject({ duplicate: false, seq: expect.any(Number) });
    expect(again.body).toEqual({ ...first.body, duplicate: true });
    expect(first.headers.get('ratelimit')).toMatch(/^"messages";r=\d+;t=\d+$/);
    expect(first.headers.get('ratelimit-policy')).toMatch(/^"messages";q=\d+;w=60$/);
    await endOf(chat.socket, first.body.run_id);
  });

  it.each([
    ['no client_message_id', { content: 'x' }],
    ['no content', { client_message_id: 'x' }],
    ['empty content', { client_message_id: 'x', content: '' }],
    ['32,001 characters', { client_message_id: 'x', content: 'x'.repeat(32_001) }],
    ['NUL', { client_message_id: 'x', content: 'a\0b' }],
    ['half a surrogate pair', { client_message_id: 'x', content: '\udc00' }],
    ['a list', { client_message_id: 'x', content: ['x'] }],
    ['an unknown on_busy', { client_message_id: 'x', content: 'x', on_busy: 'never' }],
    ['a client_message_id of 129 characters', { client_message_id: 'x'.repeat(129), content: 'x' }],
  ])('are refused with %s', async (_name, body) => {
    const answer = await as<Problem>(alice, 'POST', url(`/${chat.id}/messages`), { body, expect: 400 });
    expect(answer.body.code).toBe('validation_failed');
  });

  it('have answers that are cancelled with 202; a run that has ended is not found', async () => {
    const { run_id } = await ask(chat, 'count to 300');
    await chat.socket.next('message.delta');
    await as(alice, 'POST', url(`/${chat.id}/runs/${run_id}/cancel`), { expect: 202 });
    expect(await endOf(chat.socket, run_id)).toMatchObject({ finish_reason: 'cancelled' });
    await as(alice, 'POST', url(`/${chat.id}/runs/${run_id}/cancel`), { expect: 202 });
    const done = await ask(chat, 'count to 1');
    await endOf(chat.socket, done.run_id);
    const { body } = await as<Problem>(alice, 'POST', url(`/${chat.id}/runs/${done.run_id}/cancel`), {
      expect: 404,
    });
    expect(body).toMatchObject({ code: 'run_not_found', detail: expect.stringContaining('ended') });
    await as(mallory, 'POST', url(`/${chat.id}/runs/${run_id}/cancel`), { expect: 404 });
  });
});
