import { inspectHeap } from '../../node-inspector.js';
import type { LeanHttp } from '../lean-http.js';
import { residentKiB, untilIdle } from '../process-cost.js';
import { dropAll, type Stage } from '../stage.js';
import { INSPECTED, type Measure, nothingToClose } from './measure.js';

/** Connections over which those who come back get their tickets, as through a proxy. */
const CONNECTIONS = 200;

/** Memory of many idle connections. Then all of them drop in one moment, and in the same moment half come back. */
export const crowd: Measure = {
  name: 'crowd',
  plan: INSPECTED,
  isDoneOnce: true,
  prepare: async (stage) => ({ run: () => comeAndGo(stage), end: nothingToClose }),
};

async function comeAndGo(stage: Stage): Promise<void> {
  const { crowd: count } = stage.sizes;
  dropAll(await stage.open(count / 5));
  const beforeKiB = await collectedKiB(stage);
  const open = await stage.open(count);
  const memoryKiB = (await collectedKiB(stage)) - beforeKiB;
  const lost = open.filter(({ isOver }) => isOver).length;
  if (lost > 0) throw new Error(`${lost} of ${count} idle sockets were closed`);
  stage.add('memory', memoryKiB / count);

  // A forced collection throws compiled code away, which no real crowd does.
  dropAll(await stage.open(count / 5));
  const https = Array.from({ length: CONNECTIONS }, (_, index) => stage.http(index));
  dropAll(open);
  const { waitsMs, refused } = await comeBack(stage, https, count / 2);
  for (const http of https) http.close();
  if (waitsMs.length === 0) throw new Error(`nobody came back, ${refused} were refused`);
  stage.addWaits('ready again after a mass drop', waitsMs);
  stage.add('return-time', Math.max(...waitsMs));
  stage.add('return-refused', refused);
}

async function collectedKiB({ server }: Stage): Promise<number> {
  await untilIdle(server.pids);
  for (const child of server.children) await inspectHeap(child);
  await untilIdle(server.pids);
  return server.pids.map(residentKiB).reduce((sum, one) => sum + one, 0);
}

/** Everybody at once. Nobody tries twice: who is refused counts. */
async function comeBack(
  stage: Stage,
  https: readonly LeanHttp[],
  count: number,
): Promise<{ waitsMs: number[]; refused: number }> {
  const startMs = performance.now();
  const waitsMs: number[] = [];
  const upgrades: Promise<void>[] = [];
  let refused = 0;
  const refuse = (): void => {
    refused += 1;
  };
  const tickets = stage.through(https, count, async (http, index) => {
    const ticket = await http.mint(stage.account(index).accessToken).catch(refuse);
    if (ticket === undefined) return undefined;
    const socket = stage.dial(ticket, index);
    const ready = socket.next('"ready"').then(() => void waitsMs.push(performance.now() - startMs));
    upgrades.push(ready.catch(refuse));
    return socket;
  });
  const sockets = (await tickets).filter((socket) => socket !== undefined);
  await Promise.all(upgrades);
  dropAll(sockets);
  return { waitsMs, refused };
}
