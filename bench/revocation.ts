import { say } from '../scripts/launch-error.js';
import { subscriberFlow } from '../scripts/network/tcp-proxy.js';
import type { SignIn } from '../protocol/resources.js';
import { BenchSocket, mint, post, signIn } from './bench-client.js';
import { createAccounts, startEngines, startNodes } from './bench-cluster.js';
import { type BenchFolder, runBench } from './bench-program.js';
import { inParallel, percentile, spread } from './figures.js';

const NODES = 3;
const SESSIONS = 100;
/** Sockets of a sign-in on each node, so that each node has 300. */
const SOCKETS_PER_SESSION = 3;
const ROTATED_SESSIONS = 10;
const ROTATIONS = 50;
const HEARTBEAT_SECONDS = 5;
/** The timer of the heartbeat runs once a second. */
const HEARTBEAT_LIMIT_MS = HEARTBEAT_SECONDS * 1000 + 1000;
const PUSH_LIMIT_MS = 1000;
/** Limit of the wait for a socket to close. */
const WAIT_MS = 30_000;

/** One sign-in with sockets on every node. */
interface OpenSession {
  tokens: SignIn;
  sockets: BenchSocket[];
}

/** How long the sockets of ended sessions took to close, in milliseconds. */
interface Closing {
  fromRequest: number[];
  fromAnswer: number[];
  otherCodes: number;
}

/**
 * Measures that a sign-out closes sockets and a refresh does not: 300 sockets on each of three nodes, sessions ended
 * through one node, once with pub/sub and once without, and refresh tokens rotated under open sockets.
 */
async function measureRevocation(folder: BenchFolder): Promise<boolean> {
  const engines = await startEngines(folder);
  const ports = await startNodes(folder, engines, NODES, {
    WS_HEARTBEAT_SECONDS: String(HEARTBEAT_SECONDS),
    WS_MAX_CONNECTIONS_PER_SESSION: '100',
    WS_MAX_CONNECTIONS_PER_USER: '100',
  });
  const emails = await createAccounts(engines, SESSIONS);

  const sessions = await openSessions(ports, emails);
  say(`${NODES} nodes, ${SESSIONS} sessions, ${countOpen(sessions)} sockets`);
  const unmoved = await rotate(ports, sessions);
  const pushed = await endAll(ports, sessions, 4);
  const isFast = percentile(pushed.fromRequest, 0.99) < PUSH_LIMIT_MS;
  say(`logout to close, from the request  ${spread(pushed.fromRequest)}`);
  say(`logout to close, from the answer   ${spread(pushed.fromAnswer)}`);

  const others = await openSessions(ports, emails);
  engines.redisProxy.hold(subscriberFlow);
  const found = await endAll(ports, others, SESSIONS);
  engines.redisProxy.heal();
  say(`without pub/sub, from the answer   ${spread(found.fromAnswer)}`);

  const isFound = percentile(found.fromAnswer, 1) <= HEARTBEAT_LIMIT_MS;
  return [
    promise(`p99 under ${PUSH_LIMIT_MS} ms`, isFast),
    promise(`without pub/sub all within ${HEARTBEAT_LIMIT_MS} ms (heartbeat and tick)`, isFound),
    promise('every socket closed with 4410', pushed.otherCodes + found.otherCodes === 0),
    promise(`${ROTATIONS} rotations of ${ROTATED_SESSIONS} sessions: no socket closed`, unmoved),
  ].every(Boolean);
}

async function openSessions(ports: readonly number[], emails: readonly string[]): Promise<OpenSession[]> {
  return inParallel(emails, 4, async (email, index) => {
    const tokens = await signIn(at(ports, index), email);
    const sockets: BenchSocket[] = [];
    for (const port of ports) {
      for (let count = 0; count < SOCKETS_PER_SESSION; count++) {
        const { ticket } = await mint(at(ports, index + count), tokens.access_token, 'connect');
        sockets.push(await BenchSocket.open(port, ticket));
      }
    }
    return { tokens, sockets };
  });
}

/** Rotates refresh tokens; true when every socket is still open and answers. */
async function rotate(ports: readonly number[], sessions: readonly OpenSession[]): Promise<boolean> {
  const before = countOpen(sessions);
  const rotated = sessions.slice(0, ROTATED_SESSIONS);
  const durations = await inParallel(rotated, 5, async (session) => {
    const taken: number[] = [];
    for (let round = 0; round < ROTATIONS; round++) {
      const start = performance.now();
      const body = { refresh_token: session.tokens.refresh_token };
      session.tokens = await post<SignIn>(at(ports, round), '/auth/refresh', body);
      taken.push(performance.now() - start);
    }
    return taken;
  });
  say(`refresh                            ${spread(durations.flat())}`);
  await inParallel(
    rotated.flatMap(({ sockets }) => sockets),
    20,
    (socket) => socket.ask('ping', {}, 'pong'),
  );
  return countOpen(sessions) === before;
}

/** Ends all sessions through the first node. */
async function endAll(
  ports: readonly number[],
  sessions: readonly OpenSession[],
  width: number,
): Promise<Closing> {
  const closing: Closing = { fromRequest: [], fromAnswer: [], otherCodes: 0 };
  await inParallel(sessions, width, async ({ tokens, sockets }) => {
    const requestedMs = performance.now();
    await post(at(ports, 0), '/auth/logout', undefined, tokens.access_token);
    const answeredMs = performance.now();
    for (const { code, atMs } of await Promise.all(sockets.map((socket) => socket.closes(WAIT_MS)))) {
      closing.fromRequest.push(atMs - requestedMs);
      // Many sockets are closed before the answer arrives.
      closing.fromAnswer.push(Math.max(0, atMs - answeredMs));
      if (code !== 4410) closing.otherCodes += 1;
    }
  });
  return closing;
}

function countOpen(sessions: readonly OpenSession[]): number {
  return sessions.flatMap(({ sockets }) => sockets).filter(({ closed }) => closed === undefined).length;
}

function promise(what: string, isKept: boolean): boolean {
  say(`${isKept ? 'ok' : 'NOT KEPT'} - ${what}`);
  return isKept;
}

function at(ports: readonly number[], turn: number): number {
  return ports[turn % ports.length] ?? 0;
}

await runBench('revocation', 150, measureRevocation);
