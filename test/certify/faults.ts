import { setTimeout as sleep } from 'node:timers/promises';
import type { TcpProxy } from '../../scripts/network/tcp-proxy.js';
import { comeBack, openCrowd } from './crowd.js';
import type { Customer } from './customer.js';
import type { Berth, Fleet } from './fleet.js';
import type { Findings } from './judge.js';
import type { Random } from './random.js';

/** A fault that is repaired again. */
export interface Fault {
  readonly name: string;
  /** Redis may lose its last writes, so a customer who signed in just before has to sign in again. */
  readonly forgets?: boolean;
  /** Waits until the fault can strike; the load is already running. */
  prepare?(): Promise<void>;
  /** Resolves after the repair. Returns the nodes whose sockets may end without a close frame; `every` for all. */
  strike(
    fleet: Fleet,
    random: Random,
    customers: readonly Customer[],
    findings: Findings,
  ): Promise<readonly string[] | 'every'>;
}

const FREEZE_MS = 5000;
const CUT_MS = 3000;
const RESTART_MS = 1000;
/** Of an answer that everybody wants at the same moment. */
const WORDS_AT_ONCE = 40;

function pickUp(fleet: Fleet, random: Random): Berth {
  return random.pick(fleet.berths.filter(({ isUp }) => isUp));
}

function pickPathToRedis(fleet: Fleet, random: Random): TcpProxy {
  const { redis } = pickUp(fleet, random);
  if (redis === undefined) throw new Error('the nodes of this fleet dial Redis themselves');
  return redis;
}

async function killNode(fleet: Fleet, random: Random): Promise<string[]> {
  const berth = pickUp(fleet, random);
  berth.isUp = false;
  const { name } = berth.node;
  await berth.node.kill();
  await sleep(RESTART_MS);
  await fleet.fill(berth);
  return [name];
}

/** SIGTERM to each node in turn; each is replaced before the next one is stopped. */
async function rollNodes(fleet: Fleet): Promise<string[]> {
  for (const berth of fleet.berths) {
    berth.isUp = false;
    const { code, signal } = await berth.node.stop();
    if (code !== 0) throw new Error(`${berth.node.name} ended with ${code ?? signal}, not 0`);
    await fleet.fill(berth);
  }
  return [];
}

/** A node that stops for longer than its leases last, and then continues as if nothing had happened. */
async function freezeNode(fleet: Fleet, random: Random): Promise<string[]> {
  const berth = pickUp(fleet, random);
  berth.isUp = false;
  berth.node.signal('SIGSTOP');
  await sleep(FREEZE_MS);
  berth.node.signal('SIGCONT');
  berth.isUp = true;
  return [berth.node.name];
}

async function restartRedis(fleet: Fleet): Promise<string[]> {
  const { redis } = fleet.cluster;
  redis.kill('SIGKILL');
  await sleep(RESTART_MS);
  await redis.restart();
  return [];
}

async function pauseRedis(fleet: Fleet): Promise<string[]> {
  const { redis } = fleet.cluster;
  redis.kill('SIGSTOP');
  await sleep(FREEZE_MS);
  redis.kill('SIGCONT');
  return [];
}

async function restartPostgres(fleet: Fleet): Promise<string[]> {
  const { postgres } = fleet.cluster;
  if (postgres === undefined) throw new Error('this fleet has no Postgres of its own');
  postgres.kill('SIGKILL');
  await sleep(RESTART_MS);
  await postgres.restart();
  return [];
}

async function cutNodeFromRedis(fleet: Fleet, random: Random): Promise<string[]> {
  const redis = pickPathToRedis(fleet, random);
  redis.refuse();
  redis.cut();
  await sleep(CUT_MS);
  redis.heal();
  return [];
}

/** Packets are lost without an error on either side. */
async function isolateNodeFromRedis(fleet: Fleet, random: Random): Promise<string[]> {
  const redis = pickPathToRedis(fleet, random);
  redis.hold();
  await sleep(CUT_MS);
  redis.heal();
  return [];
}

async function cutClients(fleet: Fleet): Promise<'every'> {
  for (let times = 0; times < 3; times++) {
    for (const { front } of fleet.berths) front.cut();
    await sleep(CUT_MS / 3);
  }
  return 'every';
}

async function breakModel(fleet: Fleet): Promise<string[]> {
  for (let times = 0; times < 3; times++) {
    fleet.model.breakStreams();
    await sleep(CUT_MS / 3);
  }
  return [];
}

/** A network that fails for a moment: many sockets drop at once, and half of them come back in the same moment. */
async function dropCrowd(
  fleet: Fleet,
  _random: Random,
  customers: readonly Customer[],
  findings: Findings,
): Promise<string[]> {
  const crowd = await openCrowd(fleet, customers);
  for (const socket of crowd) socket.ws.terminate();
  const back = await comeBack(fleet, customers, crowd.length / 2, findings);
  for (const socket of back) socket.ws.terminate();
  return [];
}

async function askAtOnce(_fleet: Fleet, _random: Random, customers: readonly Customer[]): Promise<string[]> {
  await Promise.all(customers.map((customer) => customer.ask(WORDS_AT_ONCE)));
  return [];
}

export const FAULTS: readonly Fault[] = [
  { name: 'kill -9 of a node', strike: killNode },
  { name: 'network cut between clients and nodes', strike: cutClients },
  { name: 'Redis killed and started again', strike: restartRedis },
  { name: 'a node frozen for 5 s', strike: freezeNode },
  { name: 'Postgres killed and started again', strike: restartPostgres },
  { name: 'network cut between a node and Redis', strike: cutNodeFromRedis },
  { name: 'model dies in mid-stream', strike: breakModel },
  { name: 'Redis paused for 5 s', strike: pauseRedis },
  { name: 'packets lost between a node and Redis', strike: isolateNodeFromRedis },
  { name: 'SIGTERM of each node in turn', strike: rollNodes },
  { name: 'a crowd drops at once, and half come back', strike: dropCrowd },
  { name: 'everybody asks at once', strike: askAtOnce },
];
