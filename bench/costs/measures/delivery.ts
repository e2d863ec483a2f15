import { inParallel } from '../../figures.js';
import type { ServerPlan } from '../contender.js';
import type { LeanSocket } from '../lean-socket.js';
import type { RowId } from '../rows.js';
import { dropAll, questionFrame } from '../stage.js';
import { type Measure, ONE_NODE, TWO_NODES } from './measure.js';

const CONVERSATIONS = 4;
const AT_ONCE = 50;
const LIMIT_MS = 60_000;

/**
 * A user's sockets all watch the same four conversations. First one answer is written, whose frames come one by one, then
 * four at once, of which many are in flight at any moment.
 */
export const delivery = deliveryOf('delivery', ONE_NODE, {
  'delivery-one': 1,
  'delivery-four': CONVERSATIONS,
});

/** The four answers again, with half of the sockets on each of two nodes. */
export const deliveryAcrossNodes = deliveryOf('nodes', TWO_NODES, { 'delivery-nodes': CONVERSATIONS });

/** @param rows the answers at once, by row */
function deliveryOf(name: string, plan: ServerPlan, rows: Partial<Record<RowId, number>>): Measure {
  return {
    name,
    plan,
    prepare: async (stage) => {
      const owner = stage.account(0);
      const conversations = await stage.newConversations(owner, CONVERSATIONS);
      const watchers = await stage.open(stage.sizes.watchers, owner);
      await inParallel(watchers, AT_ONCE, (socket) => subscribe(socket, conversations));
      return {
        run: async () => {
          for (const [row, answers] of Object.entries(rows) as [RowId, number][]) {
            let frames = 0;
            const asked = conversations.slice(0, answers);
            const spentMs = await stage.cost(async () => {
              frames = await ask(watchers, asked, stage.sizes.watchedTokens);
            });
            stage.add(row, (spentMs * 1000) / frames);
          }
        },
        end: () => dropAll(watchers),
      };
    },
  };
}

async function subscribe(socket: LeanSocket, conversations: readonly string[]): Promise<void> {
  for (const id of conversations) {
    socket.send(socket.frameOf('subscribe', { conversation_id: id }));
    await socket.next('"subscribed"');
  }
}

/** Asks in each conversation and reads until every watcher has every answer. Returns how many frames arrived. */
async function ask(
  watchers: readonly LeanSocket[],
  conversations: readonly string[],
  tokens: number,
): Promise<number> {
  const expected = watchers.length * conversations.length;
  let [frames, ends] = [0, 0];
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${ends} of ${expected} answers arrived`)), LIMIT_MS);
    for (const socket of watchers) {
      socket.onEnd = (reason) => reject(new Error(`a watcher was cut off: ${reason}`));
      socket.onFrame = (text) => {
        frames += 1;
        if (!text.includes('"run.completed"')) return;
        ends += 1;
        if (ends < expected) return;
        clearTimeout(timer);
        resolve();
      };
    }
    for (const id of conversations) watchers[0]?.send(questionFrame(watchers[0], id, tokens));
  });
  return frames;
}
