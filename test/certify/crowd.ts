import { inParallel } from '../../bench/figures.js';
import { TestSocket } from '../support/socket.js';
import { mintTicket } from '../support/user.js';
import type { Customer } from './customer.js';
import type { Fleet } from './fleet.js';
import type { Findings } from './judge.js';

/** Sockets beside that of the client, for each customer. */
const PER_CUSTOMER = 20;
/** Sockets that open at the same time while a crowd gathers. */
const WIDTH = 20;
const OPEN_LIMIT_MS = 20_000;

/** Opens sockets that ask nothing, on all nodes that are up. */
export function openCrowd(fleet: Fleet, customers: readonly Customer[]): Promise<TestSocket[]> {
  const indexes = Array.from({ length: customers.length * PER_CUSTOMER }, (_, index) => index);
  return inParallel(indexes, WIDTH, (index) => open(fleet, customers, index));
}

/** Opens as many in one moment; nobody tries twice, and each refusal is a finding. */
export async function comeBack(
  fleet: Fleet,
  customers: readonly Customer[],
  count: number,
  findings: Findings,
): Promise<TestSocket[]> {
  const attempts = await Promise.allSettled(
    Array.from({ length: count }, (_, index) => open(fleet, customers, index)),
  );
  return attempts.flatMap((attempt) => {
    if (attempt.status === 'fulfilled') return attempt.value;
    findings.add('refused', String(attempt.reason));
    return [];
  });
}

async function open(fleet: Fleet, customers: readonly Customer[], index: number): Promise<TestSocket> {
  const up = fleet.berths.filter(({ isUp }) => isUp);
  const { node } = up[index % up.length]!;
  const { ticket } = await mintTicket(node, customers[index % customers.length]!.signedIn);
  const socket = await TestSocket.connect(node, { ticket });
  await socket.next('ready', undefined, OPEN_LIMIT_MS);
  return socket;
}
