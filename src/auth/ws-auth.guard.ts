import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { UserContext } from '../identity/user-context.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';

/** Runs before each frame that acts: the session of the socket must still be live. */
@Injectable()
export class WsAuthGuard implements CanActivate {
  constructor(private readonly authentication: UnifiedAuthenticationService) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const { socket } = context.switchToWs().getData<{ socket: { user: UserContext } }>();
    await this.authentication.authenticateFrame(socket.user);
    return true;
  }
}
