import { setMaxListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { Refused } from './bench-client.js';
import { inParallel } from './figures.js';
import type { SoakTally } from './soak-tally.js';
import { SoakUser } from './soak-user.js';

/** Life of the access tokens of the second node; those of the first node outlive the program. */
export const SHORT_TOKEN_SECONDS = 20;
const RENEW_AFTER_MS = 10_000;

interface Kind {
  name: string;
  /** Its share of all clients. */
  share: number;
  /** Its tokens expire soon: it renews them or leaves before that. */
  hasShortTokens?: boolean;
  /** One round of such a client, which is repeated; it may take any time. */
  live: (user: SoakUser, signal: AbortSignal) => Promise<void>;
}

export const KINDS: readonly Kind[] = [
  { name: 'idle', share: 0.3, live: idle },
  { name: 'reconnect', share: 0.35, live: reconnect },
  { name: 'ask', share: 0.15, live: ask },
  { name: 'sign out', share: 0.08, hasShortTokens: true, live: signInAndOut },
  { name: 'renew', share: 0.12, hasShortTokens: true, live: renew },
];

/** Runs all clients until `signal` aborts; resolves when every socket is closed and every session ended or left. */
export async function liveTogether(
  emails: readonly string[],
  ports: readonly number[],
  tally: SoakTally,
  signal: AbortSignal,
): Promise<void> {
  // Each client waits with it.
  setMaxListeners(0, signal);
  const lives = emails.map((email, index) => {
    const kind = kindOf(index / emails.length);
    const issuer = (kind.hasShortTokens === true ? ports[1] : ports[0]) ?? 0;
    return { kind, user: new SoakUser(email, kind.name, { ports, issuer }, index, tally) };
  });
  const living: Promise<void>[] = [];
  // Hashing a password is slow on purpose: all at once would measure nothing else.
  await inParallel(lives, 4, async ({ kind, user }) => {
    await tryTo(() => user.connect(), user);
    const life = liveOn(kind, user, signal);
    // Until it is awaited below, a failure is not an unhandled one.
    life.catch(() => undefined);
    living.push(life);
  });
  await Promise.all(living);
  await inParallel(lives, 8, ({ user }) => tryTo(() => user.signOut(), user));
}

function kindOf(place: number): Kind {
  let upTo = 0;
  for (const kind of KINDS) if (place < (upTo += kind.share)) return kind;
  return KINDS[0]!;
}

async function liveOn(kind: Kind, user: SoakUser, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await tryTo(() => kind.live(user, signal), user);
    await pause(100, 1000, signal);
  }
}

/** The refusal was counted already; the client begins again. */
async function tryTo(work: () => Promise<void>, user: SoakUser): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    await user.startOver();
  }
}

/** Stays idle and answers pings. */
async function idle(user: SoakUser, signal: AbortSignal): Promise<void> {
  await user.stayOpen();
  await pause(5000, 10_000, signal);
}

async function reconnect(user: SoakUser, signal: AbortSignal): Promise<void> {
  await user.disconnect();
  await user.connect();
  await pause(1000, 10_000, signal);
}

async function ask(user: SoakUser, signal: AbortSignal): Promise<void> {
  await user.disconnect();
  await user.connect();
  await user.subscribe();
  for (let questions = 0; questions < 3 && !signal.aborted; questions++) {
    await user.ask();
    await pause(500, 5000, signal);
  }
  if (Math.random() < 0.3) await user.askAndLeave();
}

async function signInAndOut(user: SoakUser, signal: AbortSignal): Promise<void> {
  await pause(1000, 5000, signal);
  if (Math.random() < 0.2) await user.walkAway();
  else await user.signOut();
  await pause(1000, 10_000, signal);
  await user.connect();
}

async function renew(user: SoakUser, signal: AbortSignal): Promise<void> {
  await user.stayOpen();
  await pause(RENEW_AFTER_MS / 2, RENEW_AFTER_MS, signal);
  if (Math.random() < 0.1) await user.lapse();
  else await user.renew();
}

/** Waits a random time between the two; ends early with the signal. */
async function pause(fromMs: number, toMs: number, signal: AbortSignal): Promise<void> {
  const ms = fromMs + Math.random() * (toMs - fromMs);
  await wait(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
