import { createHash, randomUUID } from 'node:crypto';
import type { DurableEvent, RunEnd, ServerFrame } from '../protocol/messages.js';
import type { AcceptedMessage, Conversation, Message, MessagePage } from '../protocol/resources.js';
import type { Cluster } from './support/cluster.js';
import type { TestNode } from './support/node.js';
import { TestSocket } from './support/socket.js';
import { as, createConversation, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

/** A conversation as one of its user's sockets sees it. */
export interface Chat {
  readonly user: TestUser;
  readonly id: string;
  readonly socket: TestSocket;
  readonly node: TestNode;
}

export async function aChat(node: TestNode, user: TestUser): Promise<Chat> {
  const { id } = await createConversation(node, user);
  return { user, id, socket: await TestSocket.open(node, user), node };
}

/** Another socket of the same conversation, on its own path. */
export async function watch({ user, id }: Chat, node: TestNode): Promise<TestSocket> {
  const { ticket } = await mintTicket(node, user, { conversation_id: id });
  const socket = await TestSocket.connect(node, { path: `/ws/conversations/${id}`, ticket });
  await socket.next('ready');
  return socket;
}

/** Sends a question and returns the reply to it. */
export function say(
  chat: Pick<Chat, 'id' | 'socket'>,
  content: string,
  rest: { client_message_id?: string; on_busy?: 'queue' | 'reject' | 'interrupt'; parent_id?: string } = {},
): Promise<ServerFrame> {
  const data = { conversation_id: chat.id, client_message_id: randomUUID(), content, ...rest };
  return chat.socket.send('message.send', data);
}

/** Like `say`, for a question that must be accepted. */
export async function ask(...parameters: Parameters<typeof say>): Promise<AcceptedMessage> {
  const answer = await say(...parameters);
  if (answer.type !== 'message.accepted')
    throw new Error(`expected message.accepted, got ${JSON.stringify(answer)}`);
  return answer.data;
}

/** Asks until `writer` is the node that writes: a sweep of another node may take a run first. */
export async function askWriter(
  cluster: Cluster,
  writer: TestNode,
  chat: Pick<Chat, 'id' | 'socket'>,
  content: string,
  /** Called before each attempt. */
  prepare: () => void = () => undefined,
): Promise<AcceptedMessage> {
  for (let tries = 0; tries < 10; tries++) {
    prepare();
    const accepted = await ask(chat, content);
    const taken = 'SELECT node FROM runs WHERE id = $1 AND node IS NOT NULL';
    const row = await eventually(
      async () => (await cluster.sql<{ node: string }>(taken, [accepted.run_id]))[0],
      'a node that takes the run',
    );
    if (row.node === writer.name) return accepted;
    await chat.socket.send('run.cancel', { run_id: accepted.run_id });
  }
  throw new Error(`${writer.name} took none of ten runs`);
}

/** Waits until this socket is told the end of a run. */
export async function endOf(socket: TestSocket, runId: string, limitMs = 15_000): Promise<RunEnd> {
  const isEnd = (frame: ServerFrame): boolean =>
    isRunEnd(frame) && frame.data.run_id === runId && frame.seq !== undefined;
  const frame = await socket.nextWhere(isEnd, `the end of run ${runId}`, limitMs);
  return frame.data as RunEnd;
}

export function isRunEnd(frame: ServerFrame) {
  return frame.type === 'run.completed' || frame.type === 'run.failed' || frame.type === 'run.cancelled';
}

/** The text of a message as a client assembles it; throws when a part is missing. */
export function textOf(socket: TestSocket, messageId: string): string {
  let text = '';
  for (const { type, data } of socket.frames) {
    if (type === 'message.snapshot' && data.message_id === messageId) text = data.text;
    if (type !== 'message.delta' || data.message_id !== messageId) continue;
    if (data.offset > text.length)
      throw new Error(`a delta at ${data.offset} came after ${text.length} characters`);
    text = text.slice(0, data.offset) + data.text;
  }
  return text;
}

export function proofOf(text: string): { length: number; sha256: string } {
  return { length: text.length, sha256: createHash('sha256').update(text, 'utf8').digest('hex') };
}

/** `1 2 3 …`: what the built-in responder answers to "count to n". */
export function countTo(last: number): string {
  return Array.from({ length: last }, (_, index) => index + 1).join(' ');
}

export async function history({ user, id, node }: Chat): Promise<Message[]> {
  const url = `${node.url}/conversations/${id}/messages?limit=200`;
  return (await as<MessagePage>(user, 'GET', url, { expect: 200 })).body.messages;
}

export async function events({ user, id, node }: Chat): Promise<DurableEvent[]> {
  const url = `${node.url}/conversations/${id}/events?limit=1000`;
  return (await as<{ events: DurableEvent[] }>(user, 'GET', url, { expect: 200 })).body.events;
}

export async function conversation({ user, id, node }: Chat): Promise<Conversation> {
  return (await as<Conversation>(user, 'GET', `${node.url}/conversations/${id}`, { expect: 200 })).body;
}
