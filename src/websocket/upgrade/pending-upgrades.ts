import type { Socket } from 'node:net';
import type { UpgradeRequest } from '../../auth/upgrade-credentials.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';

/**
 * Decides about the first frame of a socket with nobody behind it.
 * @returns what puts the user behind it, to be called at once.
 * @throws {AppError} as `UnifiedAuthenticationService.authenticateUpgrade`
 */
export type Settle = (text: string) => Promise<() => void>;

/**
 * Upgrades whose handshake completes before anybody is behind them. `src/auth/legacy` implements it, and hands itself in
 * with `UpgradeAdmissionService.admitPending`; without it there are none.
 */
export abstract class PendingUpgrades {
  /** What the answer to the handshake says beside its own headers. */
  abstract readonly answerHeaders: Readonly<Record<string, string>>;
  /** Whether an upgrade is one of them. @throws {AppError} `rate_limited` when there are too many. */
  abstract takes(request: UpgradeRequest): boolean;
  /** Takes the open socket, which may do nothing until it is settled. */
  abstract add(socket: AuthenticatedSocket, raw: Socket, settle: Settle): void;
}
