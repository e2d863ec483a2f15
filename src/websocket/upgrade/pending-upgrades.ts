import type { Socket } from 'node:net';
import type { UpgradeRequest } from '../../auth/upgrade-credentials.js';
import type { AuthenticatedSocket } from '../socket/authenticated-socket.js';

/**
 * Authenticates a socket that has no user yet by its first frame.
 * @returns a function that starts the socket with its user, to be called at once.
 * @throws {AppError} as `UnifiedAuthenticationService.authenticateUpgrade`
 */
export type Settle = (text: string) => Promise<() => void>;

/**
 * Upgrades whose handshake completes before they have a user. `src/auth/legacy` implements this and registers itself
 * with `UpgradeAdmissionService.admitPending`; without it there are none.
 */
export abstract class PendingUpgrades {
  /** Additional headers of the handshake response. */
  abstract readonly answerHeaders: Readonly<Record<string, string>>;
  /** Whether to handle this upgrade. @throws {AppError} `rate_limited` when there are too many. */
  abstract takes(request: UpgradeRequest): boolean;
  /** Takes the open socket, which may not do anything until it has a user. */
  abstract add(socket: AuthenticatedSocket, raw: Socket, settle: Settle): void;
}
