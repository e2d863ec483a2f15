import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Problem } from '../protocol/errors.js';
import { breakConversations, mendConversations } from './support/broken-conversations.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { metric } from './support/metrics.js';
import { rawUpgrade } from './support/raw-upgrade.js';
import { TestSocket } from './support/socket.js';
import { as, aUser, createConversation, mintTicket } from './support/user.js';
import type { TestUser } from './support/user.js';
import { eventually } from './support/waiting.js';

// Codes that are hard to provoke; the tests of the other features reach all other codes.
describe('the code of an error', () => {
  let cluster: Cluster;
  let user: TestUser;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  it.each<[string, () => Promise<string> | string]>([
    ['ticket_malformed', () => 'not-a-ticket'],
    ['ticket_unknown', () => 'A'.repeat(43)],
    ['ticket_consumed', usedTicket],
  ])('%s is the error for a socket that tries to renew itself with such a ticket', async (code, make) => {
    const socket = await TestSocket.open(cluster.node, user);
    const answer = await socket.send('auth.refresh', { ticket: await make() });
    expect([answer.type, (answer.data as Problem).code]).toEqual(['error', code]);
    expect(await socket.closes()).toEqual({ code: 4403, reason: 'forbidden' });
  });

  async function usedTicket(): Promise<string> {
    const { ticket } = await mintTicket(cluster.node, user);
    expect((await rawUpgrade(cluster.node, { ticket })).status).toBe(101);
    return ticket;
  }

  it('ticket_missing is counted, and a client without a ticket gets the same problem as all others', async () => {
    const answer = await rawUpgrade(cluster.node);
    expect([answer.status, answer.problem().code]).toEqual([403, 'ticket_rejected']);
    const labels = { path: 'upgrade', outcome: 'refused', reason: 'ticket_missing' };
    expect(await metric(cluster.node, 'chat_auth_attempts_total', labels)).toBe(1);
  });

  describe('internal', () => {
    afterEach(() => mendConversations(cluster));

    it('is returned over HTTP and a socket for a fault of the server, which only the log explains', async () => {
      const { id } = await createConversation(cluster.node, user);
      const socket = await TestSocket.open(cluster.node, user);
      await breakConversations(cluster);
      const { status, body } = await as<Problem>(user, 'GET', `${cluster.node.url}/conversations/${id}`);
      const frame = await socket.send('subscribe', { conversation_id: id });
      expect(status).toBe(500);
      for (const problem of [body, frame.data as Problem]) {
        expect(problem).toMatchObject({ code: 'internal', status: 500, retry: 'backoff' });
        expect(JSON.stringify(problem)).not.toMatch(/conversations"|division|SELECT|\.js/);
      }
      const line = await eventually(
        () => cluster.node.logged('request.broken').find(({ trace_id }) => trace_id === body.trace_id),
        'the line of the request',
      );
      expect(line).toMatchObject({
        severity: 'CRITICAL',
        error: expect.stringContaining('division by zero'),
      });
      await mendConversations(cluster);
      expect((await socket.send('subscribe', { conversation_id: id })).type).toBe('subscribed');
      await as(user, 'GET', `${cluster.node.url}/conversations/${id}`, { expect: 200 });
      await socket.close();
    });
  });
});
