import type { Socket } from 'node:net';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { frameIdOf } from '../../../protocol/messages.js';
import { toAppError } from '../../errors/problem.js';
import { FrameDispatcherService } from '../../websocket/frames/frame-dispatcher.service.js';
import type { AuthenticatedSocket } from '../../websocket/socket/authenticated-socket.js';
import { PendingUpgrades, type Settle } from '../../websocket/upgrade/pending-upgrades.js';
import { UpgradeGateService } from '../../websocket/upgrade/upgrade-gate.service.js';
import type { UpgradeRequest } from '../upgrade-credentials.js';
import { readGreeting } from './first-message.js';
import { LegacyCredentialsService } from './legacy-credentials.service.js';
import { PendingSocketService } from './pending-socket.service.js';
import { SUNSET_HEADERS } from './sunset.js';

/** Time limit for deciding upgrades that arrived before the drain. */
const UPGRADES_LIMIT_MS = 1000;

/** Supports old clients that open a socket first and send the credential in the first frame. */
@Injectable()
export class FirstMessageService extends PendingUpgrades implements OnModuleInit {
  override readonly answerHeaders = SUNSET_HEADERS;

  constructor(
    private readonly credentials: LegacyCredentialsService,
    private readonly sockets: PendingSocketService,
    private readonly dispatcher: FrameDispatcherService,
    private readonly gate: UpgradeGateService,
  ) {
    super();
  }

  onModuleInit(): void {
    this.dispatcher.readUnusableWith((socket, text) => this.isGreeting(socket, text));
  }

  override takes(request: UpgradeRequest): boolean {
    if (!this.credentials.awaitsFirstMessage(request)) return false;
    this.sockets.requireRoom();
    return true;
  }

  override add(socket: AuthenticatedSocket, raw: Socket, settle: Settle): void {
    this.sockets.add(socket, raw, settle);
  }

  /** Called when the node stops: clients that have sent no credential yet reconnect to another node. */
  async end(): Promise<void> {
    await this.gate.allDecided(UPGRADES_LIMIT_MS);
    this.sockets.endAll();
  }

  /** Old clients send this after they are admitted. It has no effect, unless it names another user. */
  private isGreeting(socket: AuthenticatedSocket, text: string): boolean {
    const greeting = socket.identity.ticketId === undefined ? readGreeting(text) : undefined;
    if (greeting === undefined) return false;
    try {
      this.credentials.requireSameUser(socket.user.userId, greeting.claimedUserId);
    } catch (error) {
      socket.sendError(toAppError(error), frameIdOf(text));
      socket.endWith('forbidden');
    }
    return true;
  }
}
