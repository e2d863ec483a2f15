import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { type Cluster, startCluster } from './support/cluster.js';
import { TestSocket, UpgradeRefused } from './support/socket.js';
import { anAdmin, as, aUser, signIn } from './support/user.js';
import { eventually } from './support/waiting.js';

const PER_SESSION = 2;
/** Time until a killed node counts as dead, and until a new node may decide that. */
const LIMIT_MS = 15_000;

describe('the connections of a node that was killed', () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ env: { WS_MAX_CONNECTIONS_PER_SESSION: String(PER_SESSION) } });
  });

  afterAll(() => cluster?.stop());

  async function listed(admin: { accessToken: string }): Promise<string[]> {
    const url = `${cluster.node.url}/admin/connections?limit=200`;
    const answer = await as<{ connections: { email: string; node: string }[] }>(admin, 'GET', url, {
      expect: 200,
    });
    for (const connection of answer.body.connections) expect(connection).not.toHaveProperty('node_id');
    return answer.body.connections.map(({ email }) => email);
  }

  it('are no longer counted or listed, while those of live nodes stay', async () => {
    const [admin, user] = await Promise.all([anAdmin(cluster), aUser(cluster)]);
    const stays = await TestSocket.open(
      cluster.node,
      await signIn(cluster.node, admin.email, admin.password),
    );
    for (let count = 0; count < PER_SESSION; count++) await TestSocket.open(cluster.other, user);
    await eventually(
      async () => (await listed(admin)).length === PER_SESSION + 1,
      'all connections in the list',
    );
    await cluster.other.kill();
    const open = async () => {
      try {
        return await TestSocket.open(cluster.node, user);
      } catch (error) {
        if (error instanceof UpgradeRefused) return undefined;
        throw error;
      }
    };
    expect(await open()).toBeUndefined();
    const opened = [await eventually(open, 'a place of the dead node', LIMIT_MS)];
    opened.push(await eventually(open, 'the other place', 1000));
    expect(await open()).toBeUndefined();
    const emails = await listed(admin);
    expect(emails.filter((email) => email === user.email)).toHaveLength(PER_SESSION);
    expect(emails).toContain(admin.email);
    await Promise.all([stays, ...opened].map((socket) => socket.close()));
  });

  it('are not confused with those of a node that is newer than the list of live nodes', async () => {
    const user = await aUser(cluster);
    const young = await cluster.addNode();
    const first = await TestSocket.open(young, user, { client_id: 'tab' });
    const others = [await TestSocket.open(young, user)];
    await TestSocket.open(cluster.node, user, { client_id: 'tab' });
    expect(await first.closes()).toEqual({ code: 4409, reason: 'replaced' });
    await expect(TestSocket.open(cluster.node, user)).rejects.toThrow('403');
    await Promise.all(others.map((socket) => socket.close()));
  });
});
