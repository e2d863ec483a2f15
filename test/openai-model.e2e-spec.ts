import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Chat, aChat, ask, askWriter, endOf, history, proofOf, textOf, watch } from './chat.support.js';
import { type Cluster, startCluster } from './support/cluster.js';
import { request } from './support/http.js';
import { OpenAiServer } from './support/openai-server.js';
import { TestSocket } from './support/socket.js';
import { aUser, type TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

const KEY = 'sk-test-4711';
const MAX_CHARACTERS = 2000;

let model: OpenAiServer;
let cluster: Cluster;
let user: TestUser;
let chat: Chat;

beforeAll(async () => {
  model = await OpenAiServer.start();
  cluster = await startCluster({
    nodes: 2,
    env: {
      RESPONDER: 'openai',
      OPENAI_BASE_URL: model.url,
      OPENAI_API_KEY: KEY,
      OPENAI_MODEL: 'test-model',
      RESPONDER_MAX_CHARACTERS: String(MAX_CHARACTERS),
      RESPONDER_CONCURRENCY: '2',
      SHOW_THINKING: 'true',
      SYSTEM_PROMPT: 'You talk with {{user_name}}.',
      WS_MAX_CONNECTIONS_PER_SESSION: '50',
    },
  });
  user = await aUser(cluster);
  chat = await aChat(cluster.node, user);
});
afterAll(async () => {
  await cluster?.stop();
  await model?.stop();
});

describe('with a model behind chat completions', () => {
  it('the answer is its tokens; the key is only in the header', async () => {
    model.behave({ kind: 'answer', tokens: ['Grüß', ' dich ', '👋'] });
    const end = await endOf(chat.socket, (await ask(chat, 'Hello?')).run_id);
    expect(end).toMatchObject({ finish_reason: 'stop', ...proofOf('Grüß dich 👋') });
    expect(end.usage).toEqual({ prompt_tokens: 11, completion_tokens: 3 });
    expect(chat.socket.all('run.started').at(-1)?.data).toMatchObject({
      responder: 'openai',
      model: 'test-model',
    });
    const { body, headers } = model.requests.at(-1)!;
    expect(headers.authorization).toBe(`Bearer ${KEY}`);
    expect(body.messages[0]).toMatchObject({
      role: 'system',
      content: expect.stringMatching(/^You talk with \S/),
    });
    expect(JSON.stringify(body)).not.toContain(KEY);
  });

  it('thoughts are told while they come, to late comers too, and are no part of the answer', async () => {
    const thinking = Array.from({ length: 12 }, (_, index) => `thought ${index}. `);
    model.behave({ kind: 'answer', tokens: ['<think>more</think>', '42'], thinking, paceMs: 150 });
    const { run_id } = await ask(chat, 'What is 6 times 7?');
    const isThought = ({ data }: { data: { run_id: string; state: string } }): boolean =>
      data.run_id === run_id && data.state === 'thinking';
    await chat.socket.next('run.progress', isThought);
    const late = await watch(chat, cluster.other);
    const told = await late.next('run.progress', isThought);
    expect(told.data.thinking?.text).toContain('thought 0.');
    const end = await endOf(chat.socket, run_id);
    expect(end).toMatchObject({ finish_reason: 'stop', ...proofOf('42') });
    expect((await history(chat)).find(({ id }) => id === end.message_id)?.content).toBe('42');
    model.behave({ kind: 'answer', tokens: ['fine'] });
    await endOf(chat.socket, (await ask(chat, 'And?')).run_id);
    expect(JSON.stringify(model.requests.at(-1)!.body)).not.toContain('thought');
    await late.close();
  });

  it.each([
    ['nothing', []],
    ['only white space', ['  ', '\n']],
    ['only thoughts', ['<think>hm</think>']],
  ])('an answer of %s fails', async (_name, tokens) => {
    model.behave({ kind: 'answer', tokens });
    const end = await endOf(chat.socket, (await ask(chat, 'Well?')).run_id);
    expect(end).toMatchObject({ finish_reason: 'error', problem: { code: 'dependency_unavailable' } });
    expect(end.problem?.detail).toContain('expected words from the model');
  });

  it('a server that is busy is asked again, and that is told', async () => {
    const busy = {
      kind: 'status',
      status: 429,
      error: 'slow down',
      headers: { 'retry-after': '2' },
    } as const;
    model.behave(busy, { kind: 'answer', tokens: ['now'] });
    const { run_id } = await ask(chat, 'Hello?');
    await chat.socket.next(
      'run.progress',
      ({ data }) => data.run_id === run_id && data.state === 'waiting',
      5000,
    );
    expect(await endOf(chat.socket, run_id)).toMatchObject({ finish_reason: 'stop', ...proofOf('now') });
  });

  it('an answer without end is cut, and the model stops', async () => {
    const tokens = Array.from({ length: 5000 }, (_, index) => `${index} `);
    model.behave({ kind: 'answer', tokens });
    const end = await endOf(chat.socket, (await ask(chat, 'Count.')).run_id);
    expect(end).toMatchObject({ finish_reason: 'length', length: MAX_CHARACTERS });
    expect(textOf(chat.socket, end.message_id)).toBe(tokens.join('').slice(0, MAX_CHARACTERS));
    expect(await model.requests.at(-1)!.ended).toBe('aborted');
  });

  it('the model server is asked as many questions at once as it may be, over all nodes, in a fair order', async () => {
    model.behave({ kind: 'answer', tokens: ['a ', 'b ', 'c ', 'd '], paceMs: 200 });
    const many = await Promise.all(
      [0, 1, 2, 3].map((index) => aChat(index % 2 ? cluster.other : cluster.node, user)),
    );
    const other = await aChat(cluster.other, await aUser(cluster));
    const before = model.requests.length;
    const asked: { one: Chat; run: Awaited<ReturnType<typeof ask>> }[] = [];
    for (const one of many) asked.push({ one, run: await ask(one, 'Hello?') });
    const theirs = await ask(other, 'Hello?');
    let most = 0;
    const isOver = async (): Promise<boolean> => {
      const rows = await cluster.sql<{ status: string }>(
        `SELECT status FROM runs WHERE id = ANY($1::uuid[]) AND status IN ('queued', 'running')`,
        [[...asked.map(({ run }) => run.run_id), theirs.run_id]],
      );
      most = Math.max(most, rows.filter(({ status }) => status === 'running').length);
      return rows.length === 0;
    };
    await eventually(isOver, 'the end of all runs', 20_000);
    expect(most).toBe(2);
    expect(model.requests.length).toBe(before + 5);
    const last = asked.at(-1)!;
    // The other user had no run yet, so theirs went before the last run of the first user.
    const ends = await cluster.sql<{ id: string }>(
      'SELECT id FROM runs WHERE id = ANY($1::uuid[]) ORDER BY ended_at',
      [[last.run.run_id, theirs.run_id]],
    );
    expect(ends.map(({ id }) => id)).toEqual([theirs.run_id, last.run.run_id]);
    const waited = last.one.socket.all('run.progress').filter(({ data }) => data.state === 'queued');
    expect(waited[0]?.data.position).toBeGreaterThan(0);
    for (const { socket } of [...many, other]) await socket.close();
  });

  it('a server that loads its model is neither up nor gone, and questions wait for it', async () => {
    model.isLoading = true;
    const stateOf = async (): Promise<string | undefined> => {
      const { body } = await request<{ details: Record<string, { status: string }> }>(
        'GET',
        `${cluster.node.url}/health/full`,
      );
      return body.details.responder?.status;
    };
    expect(await stateOf()).toBe('loading');
    model.behave({ kind: 'answer', tokens: ['awake'] });
    const { run_id } = await ask(chat, 'Hello?');
    await chat.socket.next('run.progress', ({ data }) => data.run_id === run_id, 5000);
    model.isLoading = false;
    expect(await endOf(chat.socket, run_id)).toMatchObject({ finish_reason: 'stop', ...proofOf('awake') });
    expect(await stateOf()).toBe('up');
  });

  it.each([
    ['goes on after it', [{ kind: 'answer', tokens: ['and so on.'] }] as const, 1],
    [
      'refuses to, and repeats it all when asked in words',
      [
        { kind: 'status', status: 400, error: 'Unrecognized request argument: continue_final_message' },
        { kind: 'answer', tokens: ['0 1 2 3 4 5 6 7 8 9 ', '10 and so on.'] },
      ] as const,
      2,
    ],
  ])('a node that takes a run over hands its text to a server that %s', async (_name, rest, requests) => {
    const doomed = await cluster.addNode();
    const tokens = Array.from({ length: 11 }, (_, index) => `${index} `);
    let before = 0;
    const asking = { id: chat.id, socket: await TestSocket.open(doomed, user) };
    const { run_id } = await askWriter(cluster, doomed, asking, 'Count.', () => {
      model.behave({ kind: 'hang-between-tokens', tokens }, ...rest);
      before = model.requests.length;
    });
    const isWhole = ({ data }: { data: { run_id: string; offset: number; text: string } }): boolean =>
      data.run_id === run_id && data.offset + data.text.length === tokens.join('').length;
    await chat.socket.next('message.delta', isWhole);
    await doomed.kill();
    const end = await endOf(chat.socket, run_id);
    const whole = `${tokens.join('')}and so on.`;
    expect(textOf(chat.socket, end.message_id)).toBe(whole);
    expect(end).toMatchObject({ finish_reason: 'stop', ...proofOf(whole) });
    const { body } = await model.request(before + requests);
    const isAsked = requests === 2;
    expect(body.messages.at(-1)?.role).toBe(isAsked ? 'user' : 'assistant');
    expect('continue_final_message' in body).toBe(!isAsked);
  });
});
