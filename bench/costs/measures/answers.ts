import { inParallel } from '../../figures.js';
import type { LeanSocket } from '../lean-socket.js';
import { dropAll, questionFrame, type Stage } from '../stage.js';

const LIMIT_MS = 90_000;
const AT_ONCE = 20;

/** A person with one socket that watches one conversation. */
export interface Asker {
  socket: LeanSocket;
  conversationId: string;
}

/** When what a person waited for came, in milliseconds after the question. */
export interface Heard {
  acceptedMs: number;
  firstWordsMs: number;
}

/** Different users, each with a socket and a new conversation that it watches. */
export async function openAskers(stage: Stage, count: number): Promise<Asker[]> {
  const https = Array.from({ length: AT_ONCE }, (_, index) => stage.http(index));
  const askers = await stage.through(https, count, async (http, index) => {
    const ticket = await http.mint(stage.account(index).accessToken);
    const socket = stage.dial(ticket, index);
    await socket.next('"ready"');
    return { socket, conversationId: '' };
  });
  for (const http of https) http.close();
  await renewConversations(stage, askers);
  return askers;
}

export function dropAskers(askers: readonly Asker[]): void {
  dropAll(askers.map(({ socket }) => socket));
}

/** A new conversation for each, so that no answer has to carry a history. */
export async function renewConversations(stage: Stage, askers: readonly Asker[]): Promise<void> {
  await inParallel(askers, AT_ONCE, async (asker, index) => {
    const [id = ''] = await stage.newConversations(stage.account(index), 1);
    asker.conversationId = id;
    asker.socket.send(asker.socket.frameOf('subscribe', { conversation_id: id }));
    await asker.socket.next('"subscribed"');
  });
}

/** Each asks after its own delay; resolves when all answers are complete. */
export async function askAll(
  askers: readonly Asker[],
  tokens: number,
  delayMs: (index: number) => number = () => 0,
): Promise<Heard[]> {
  return Promise.all(askers.map((asker, index) => askOne(asker, tokens, delayMs(index))));
}

async function askOne({ socket, conversationId }: Asker, tokens: number, delayMs: number): Promise<Heard> {
  return new Promise((resolve, reject) => {
    let askedMs = 0;
    let acceptedMs = Number.NaN;
    let firstWordsMs: number | undefined;
    const timer = setTimeout(() => reject(new Error('an answer did not end')), LIMIT_MS);
    socket.onEnd = (reason) => reject(new Error(`expected an answer: ${reason}`));
    socket.onFrame = (text) => {
      const afterMs = performance.now() - askedMs;
      if (text.includes('"message.delta"')) firstWordsMs ??= afterMs;
      else if (text.includes('"message.accepted"')) acceptedMs = afterMs;
      else if (text.includes('"run.completed"')) {
        clearTimeout(timer);
        resolve({ acceptedMs, firstWordsMs: firstWordsMs ?? afterMs });
      } else if (text.includes('"type":"error"') || text.includes('"run.failed"')) {
        reject(new Error(`expected an answer: ${text.toString()}`));
      }
    };
    setTimeout(() => {
      askedMs = performance.now();
      socket.send(questionFrame(socket, conversationId, tokens));
    }, delayMs);
  });
}
