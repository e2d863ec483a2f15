import { Controller, Delete, Get, HttpCode, Param } from '@nestjs/common';
import { isUuid } from '../../protocol/messages.js';
import type { OwnSession } from '../../protocol/resources.js';
import { AppError } from '../errors/app-error.js';
import { CurrentUser } from '../identity/current-user.decorator.js';
import type { UserContext } from '../identity/user-context.js';
import type { ListedSession } from './session-record.js';
import { SessionService } from './session.service.js';
import { deviceOf } from './device.js';

/** A user's own sessions: lists them and ends them. */
@Controller('auth/sessions')
export class SessionController {
  constructor(private readonly sessions: SessionService) {}

  @Get()
  async list(@CurrentUser() user: UserContext): Promise<{ sessions: OwnSession[] }> {
    const found = await this.sessions.list(user.userId);
    return { sessions: found.map((session) => toOwnSession(session, user.sessionId)) };
  }

  @Delete()
  @HttpCode(204)
  endOthers(@CurrentUser() user: UserContext): Promise<void> {
    return this.sessions.endAll(user.userId, 'signed_out_elsewhere', user.sessionId);
  }

  @Delete(':id')
  @HttpCode(204)
  async end(@CurrentUser() user: UserContext, @Param('id') id: string): Promise<void> {
    const sessionId = id.toLowerCase();
    const reason = sessionId === user.sessionId ? 'logout' : 'signed_out_elsewhere';
    // Only the user's own sessions are searched, so another user's session gets the same answer as an unknown one.
    if (!isUuid(id) || !(await this.sessions.endChosen(user.userId, sessionId, reason))) {
      throw new AppError('not_found', { detail: 'There is no such session of yours' });
    }
  }
}

function toOwnSession({ session, lastSeenAtMs }: ListedSession, currentId: string): OwnSession {
  return {
    id: session.session_id,
    device: deviceOf(session.user_agent),
    created_at: session.connected_at,
    last_seen_at: new Date(lastSeenAtMs).toISOString(),
    current: session.session_id === currentId,
  };
}
