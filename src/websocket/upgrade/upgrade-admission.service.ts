import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import type { EnterConnection } from '../../auth/admission.js';
import { UnifiedAuthenticationService } from '../../auth/unified-authentication.service.js';
import { requireOneCredential, type UpgradeRequest } from '../../auth/upgrade-credentials.js';
import { toAppError } from '../../errors/problem.js';
import { ConnectionRegistry } from '../connections/connection.registry.js';
import { SocketLifecycleService } from '../connections/socket-lifecycle.service.js';
import type { AuthenticatedSocket, SocketIdentity } from '../socket/authenticated-socket.js';
import type { ConnectionIdentity } from '../socket/connection-identity.js';
import { parseHandshake, toPublicRefusal } from './handshake.js';
import type { PendingUpgrades } from './pending-upgrades.js';
import { UpgradeGateService } from './upgrade-gate.service.js';
import { UpgradeReportService } from './upgrade-report.service.js';

type Start = (socket: AuthenticatedSocket, raw: Socket) => void;

/**
 * Completes the handshake of an upgrade and calls `start` in the same turn of the event loop.
 * @param answerHeaders additional headers of the response.
 * @returns false if the client has disconnected.
 */
export type Complete = (start: Start, answerHeaders: Readonly<Record<string, string>>) => boolean;

/** A connection that may open. It is already counted, and must be released if it does not open. */
interface AdmittedConnection {
  identity: SocketIdentity;
  /** Connections of the same client, which end once this one is open. */
  replaced: readonly string[];
  answerHeaders: Readonly<Record<string, string>>;
}

/** Decides which upgrades become sockets: limits first, then authentication, which counts the connection. */
@Injectable()
export class UpgradeAdmissionService {
  private pending: PendingUpgrades | undefined;

  constructor(
    private readonly gate: UpgradeGateService,
    private readonly authentication: UnifiedAuthenticationService,
    private readonly registry: ConnectionRegistry,
    private readonly lifecycle: SocketLifecycleService,
    private readonly report: UpgradeReportService,
  ) {}

  /** Also offers each upgrade to `upgrades`. */
  admitPending(upgrades: PendingUpgrades): void {
    this.pending = upgrades;
  }

  /**
   * Decides about an upgrade, and completes its handshake if it may open.
   * @throws {AppError} the refusal for the client; the cause is reported.
   */
  async admit(request: IncomingMessage, complete: Complete): Promise<void> {
    const address = this.gate.addressOf(request);
    try {
      const upgrade = { ...parseHandshake(request), address };
      requireOneCredential(upgrade);
      await this.gate.admit(address, () => this.decide(upgrade, complete));
    } catch (thrown) {
      const error = toAppError(thrown);
      this.report.refused(error, address);
      throw toPublicRefusal(error);
    }
  }

  private async decide(upgrade: UpgradeRequest, complete: Complete): Promise<void> {
    const { pending } = this;
    if (pending?.takes(upgrade) === true) {
      const settle = (socket: AuthenticatedSocket, raw: Socket) => async (firstMessage: string) => {
        const connection = await this.authenticate({ ...upgrade, firstMessage });
        return () => this.start(connection, socket, raw);
      };
      const isOpen = complete(
        (socket, raw) => pending.add(socket, raw, settle(socket, raw)),
        pending.answerHeaders,
      );
      if (isOpen) this.report.opened();
      return;
    }
    const connection = await this.authenticate(upgrade);
    const isOpen = complete((socket, raw) => this.start(connection, socket, raw), connection.answerHeaders);
    if (isOpen) this.report.opened();
    // The client has disconnected meanwhile: its connection must not stay counted.
    else this.registry.release(connection.identity);
  }

  private async authenticate(upgrade: UpgradeRequest): Promise<AdmittedConnection> {
    const connectionId = `con_${randomUUID()}`;
    let counted: ConnectionIdentity | undefined;
    let replaced: readonly string[] = [];
    const enter: EnterConnection = async ({ user_id: userId, session_id: sessionId, client_id }) => {
      const clientId = client_id ?? randomUUID();
      counted = { userId, sessionId, clientId, connectionId, nodeId: this.registry.nodeId };
      replaced = await this.registry.admit(counted);
    };
    try {
      const admission = await this.authentication.authenticateUpgrade(upgrade, enter);
      this.report.admitted(admission, connectionId);
      const { user, conversationId, ticket, answerHeaders = {} } = admission;
      const { address = '', headers } = upgrade;
      const ticketId = ticket?.claims.ticket_id;
      const { origin } = headers;
      return {
        identity: { ...counted!, user, conversationId, ticketId, address, origin },
        replaced,
        answerHeaders,
      };
    } catch (error) {
      if (counted !== undefined) this.registry.release(counted);
      throw error;
    }
  }

  private start({ identity, replaced }: AdmittedConnection, socket: AuthenticatedSocket, raw: Socket): void {
    if (socket.readyState !== socket.OPEN) {
      // It closed while its first message was being decided: what it sent after that is handled as this user's.
      socket.open(identity, raw, this.lifecycle);
      this.registry.release(identity);
      return;
    }
    this.lifecycle.start(socket, identity, raw);
    this.registry.replace(replaced);
  }
}
