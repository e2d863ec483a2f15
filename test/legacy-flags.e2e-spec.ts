import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { FlagName } from '../src/config/flags.js';
import { startCluster } from './support/cluster.js';
import type { Cluster } from './support/cluster.js';
import { request } from './support/http.js';
import { WAYS } from './support/legacy-ways.js';
import type { RawUpgrade } from './support/raw-upgrade.js';
import { TestSocket, UpgradeRefused } from './support/socket.js';
import { forge, newSigningSecret } from './support/token.js';
import { anAdmin, as, aUser } from './support/user.js';
import type { TestUser } from './support/user.js';

interface Attempt {
  name: string;
  flag: FlagName;
  isAdmitted: () => Promise<boolean>;
}

describe('each flag of an old way in', () => {
  const secret = newSigningSecret();
  let cluster: Cluster;
  let admin: TestUser;
  let user: TestUser;

  beforeAll(async () => {
    const limits = { WS_MAX_CONNECTIONS_PER_SESSION: '50', WS_MAX_CONNECTIONS_PER_USER: '50' };
    cluster = await startCluster({ nodes: 1, env: { JWT_SECRET: secret, ...limits } });
    admin = await anAdmin(cluster);
    user = await aUser(cluster);
  });

  afterAll(() => cluster.stop());

  /** Whether a dial opens a socket of the user. One that may only send its first message gets an error for `first`. */
  async function opens({ path, origin, headers = {} }: RawUpgrade, first: object): Promise<boolean> {
    const { 'Sec-WebSocket-Protocol': offered, ...others } = headers;
    const dial = { path, origin, headers: others, protocols: offered?.split(', ') };
    try {
      const socket = await TestSocket.connect(cluster.node, dial);
      socket.sendRaw(JSON.stringify(first));
      const { type } = await socket.nextWhere(() => true, 'the first frame');
      await socket.cut();
      return type === 'ready';
    } catch (error) {
      if (error instanceof UpgradeRefused && error.status === 403) return false;
      throw error;
    }
  }

  async function isExchanged(): Promise<boolean> {
    const now = Math.floor(Date.now() / 1000);
    const token = forge({ payload: { sub: user.user.id, iat: now, exp: now + 600 }, secret });
    const url = `${cluster.node.url}/auth/exchange`;
    const { status } = await request('POST', url, { body: { token } });
    expect([200, 403]).toContain(status);
    return status === 200;
  }

  const attempts: Attempt[] = [
    ...WAYS.map(({ name, flag, dial }) => ({
      name,
      flag,
      isAdmitted: () => opens(dial(user), { type: 'ping', data: {} }),
    })),
    {
      name: 'the first message',
      flag: 'legacy_first_message',
      isAdmitted: () => opens({}, { type: 'initial', token: user.accessToken }),
    },
    { name: 'an old token', flag: 'legacy_token_formats', isAdmitted: isExchanged },
  ];
  const flags = [...new Set(attempts.map(({ flag }) => flag))];

  const put = (flag: FlagName, enabled: boolean) =>
    as(admin, 'PUT', `${cluster.node.url}/admin/flags/${flag}`, { body: { enabled }, expect: 200 });

  async function admitted(): Promise<string[]> {
    const names: string[] = [];
    for (const { name, isAdmitted } of attempts) if (await isAdmitted()) names.push(name);
    return names;
  }

  it.each(flags)('%s admits only its own credential, and nobody once it is off again', async (flag) => {
    const own = attempts.filter((attempt) => attempt.flag === flag).map(({ name }) => name);
    await put(flag, true);
    expect(await admitted()).toEqual(own);
    await put(flag, false);
    expect(await admitted()).toEqual([]);
  });

  it('are all of the flags that open an old way', async () => {
    const { body } = await as<{ flags: { name: string }[] }>(admin, 'GET', `${cluster.node.url}/admin/flags`);
    const names = body.flags.map(({ name }) => name).filter((name) => name.startsWith('legacy_'));
    expect(names.sort()).toEqual([...flags].sort());
  });
});
