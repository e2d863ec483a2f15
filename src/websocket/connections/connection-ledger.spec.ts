import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Config } from '../../config/config.js';
import { AppLogger } from '../../observability/logger.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import type { ConnectionDirectoryStore } from './connection-directory.store.js';
import type { ConnectionEntry } from './connection-entry.js';
import { ConnectionLedgerService } from './connection-ledger.service.js';
import type { ConnectionStore } from './connection.store.js';
import type { ConnectionIdentity } from '../socket/connection-identity.js';

describe('ConnectionLedgerService', () => {
  let listed: Set<string>;
  let isDown: boolean;
  let ledger: ConnectionLedgerService;

  const aSocket = (connectionId: string) =>
    ({
      identity: { connectionId, nodeId: 'n' },
      user: { userId: 'u', email: 'u@example.com', sessionId: 's' },
      openedAtMs: 0,
    }) as unknown as AuthenticatedSocket;

  beforeEach(() => {
    [listed, isDown] = [new Set(), false];
    const directory = {
      change: (_: string, added: ConnectionEntry[], removed: string[]) => {
        for (const entry of added) listed.add(entry.connection_id);
        for (const id of removed) listed.delete(id);
        // The answer is lost: the list has changed all the same.
        return isDown ? Promise.reject(new Error('connection lost')) : Promise.resolve();
      },
    } as unknown as ConnectionDirectoryStore;
    const store = {
      leave: (_: readonly ConnectionIdentity[]) => Promise.resolve(),
      enter: (_: readonly ConnectionIdentity[]) => Promise.resolve(),
    } as unknown as ConnectionStore;
    const logger = new AppLogger({ logLevel: 'silent', nodeName: 'n1' }, { write: () => undefined });
    ledger = new ConnectionLedgerService({ nodeName: 'n1' } as Config, store, directory, logger);
  });

  it('takes from the list what closes before it was listed for the second time', async () => {
    const socket = aSocket('c1');
    ledger.opened(socket);
    await ledger.flush();
    expect([...listed]).toEqual(['c1']);
    ledger.again(socket);
    ledger.closed(socket.identity);
    await ledger.flush();
    expect([...listed]).toEqual([]);
  });

  it('takes from the list what closes after Redis listed it and its answer was lost', async () => {
    const socket = aSocket('c1');
    isDown = true;
    ledger.opened(socket);
    await ledger.flush();
    expect([...listed]).toEqual(['c1']);
    isDown = false;
    ledger.closed(socket.identity);
    await ledger.flush();
    expect([...listed]).toEqual([]);
  });
});
