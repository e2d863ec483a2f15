import { beforeEach, describe, expect, it } from '@jest/globals';
import type { AuditLogService } from '../../audit/audit-log.service.js';
import { AppLogger } from '../../observability/logger.js';
import { RefusalLogService } from '../../observability/refusal-log.service.js';
import { MetricsService } from '../../observability/metrics.service.js';
import type { EndedSession } from '../../session/session-record.js';
import type { SessionService } from '../../session/session.service.js';
import type { TicketService } from '../../ticket/ticket.service.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';
import type { ConnectionLedgerService } from './connection-ledger.service.js';
import { ConnectionReportService } from './connection-report.service.js';
import { ConnectionRegistry } from './connection.registry.js';
import type { ConnectionStore } from './connection.store.js';
import type { NodeRosterService } from './node-roster.service.js';
import type { ConnectionIdentity } from '../socket/connection-identity.js';

describe('ConnectionRegistry', () => {
  let registry: ConnectionRegistry;
  let metrics: MetricsService;
  let outcome: 'session' | 'user' | string[];
  let left: string[];
  let told: string[];
  let endSession: (ended: EndedSession) => void;
  let endReplaced: (connectionId: string) => void;

  /** The part of a socket that the registry uses. */
  const aSocket = (connectionId: string, sessionId: string) =>
    ({
      connectionId,
      identity: { connectionId, sessionId, user: { userId: 'u' } },
      user: { sessionId },
      openedAtMs: Date.now(),
      endRevoked: (reason: string) => void told.push(`${connectionId} ${reason}`),
      endWith: (name: string) => void told.push(`${connectionId} ${name}`),
    }) as unknown as AuthenticatedSocket;

  beforeEach(() => {
    [outcome, left, told] = [[], [], []];
    metrics = new MetricsService();
    const store = {
      admit: () => Promise.resolve(outcome),
      onReplaced: (listener: typeof endReplaced) => Promise.resolve(void (endReplaced = listener)),
    } as unknown as ConnectionStore;
    const sessions = {
      onEnded: (listener: typeof endSession) => Promise.resolve(void (endSession = listener)),
      onChanged: () => Promise.resolve(),
    } as unknown as SessionService;
    const logger = new AppLogger({ logLevel: 'silent', nodeName: 'n1' }, { write: () => undefined });
    const report = new ConnectionReportService(
      metrics,
      logger,
      new RefusalLogService(logger),
      { record: () => undefined } as unknown as AuditLogService,
      {} as TicketService,
    );
    const roster = { nodeId: 'n', livingNodes: undefined } as unknown as NodeRosterService;
    const ledger = {
      opened: () => undefined,
      closed: ({ connectionId }: ConnectionIdentity) => void left.push(connectionId),
      flush: () => Promise.resolve(),
    } as unknown as ConnectionLedgerService;
    registry = new ConnectionRegistry(store, roster, sessions, report, ledger);
    registry.onModuleInit();
  });

  const gauge = async () => (await metrics.connections.get()).values[0]?.value;

  it('finds a socket until it closes, and counts its close once', async () => {
    const socket = aSocket('a', 's1');
    registry.opened(socket);
    expect(registry.find('a')).toBe(socket);
    expect(await gauge()).toBe(1);
    registry.closed(socket, 1000, '');
    registry.closed(socket, 1006, '');
    expect(registry.find('a')).toBeUndefined();
    expect(registry.size).toBe(0);
    expect(await gauge()).toBe(0);
    expect(left).toEqual(['a']);
  });

  it('ends only the sockets of the session that has ended', () => {
    for (const [id, session] of [
      ['a', 's1'],
      ['b', 's1'],
      ['c', 's2'],
    ] as const)
      registry.opened(aSocket(id, session));
    endSession({ session_id: 's1', reason: 'logout', ended_at: Date.now() } as EndedSession);
    expect(told).toEqual(['a logout', 'b logout']);
  });

  it('forgets a closed socket while its session has others', () => {
    const gone = aSocket('a', 's1');
    registry.opened(gone);
    registry.opened(aSocket('b', 's1'));
    registry.closed(gone, 1000, '');
    endSession({ session_id: 's1', reason: 'logout', ended_at: Date.now() } as EndedSession);
    expect(told).toEqual(['b logout']);
  });

  it('ends the older connection of a client that connects again', async () => {
    registry.opened(aSocket('a', 's1'));
    outcome = ['a'];
    expect(await registry.admit({} as ConnectionIdentity)).toEqual(['a']);
    endReplaced('a');
    endReplaced('not here');
    expect(told).toEqual(['a replaced']);
  });

  it.each(['session', 'user'] as const)('refuses a connection above the limit of its %s', async (whose) => {
    outcome = whose;
    await expect(registry.admit({} as ConnectionIdentity)).rejects.toMatchObject({
      code: 'connection_limit',
    });
  });
});
