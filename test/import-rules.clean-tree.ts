/** `path -> source` of a small project. */
export type Tree = Record<string, string>;

/** A tree in which every restricted thing is in its home. */
export const CLEAN: Tree = {
  'src/main.ts': `
    import './app.module.js';
  `,
  'src/app.module.ts': `
    import { readConfig } from './config/config.js';
    import { createDataSource } from './database/data-source.js';
    import { ENTITIES } from './entities.js';
    import { UnifiedAuthenticationService } from './auth/unified-authentication.service.js';
    import { AuthController } from './auth/auth.controller.js';
    import { CHAT } from './chat/chat.module.js';
    export const wiring = [CHAT, readConfig, createDataSource(ENTITIES), UnifiedAuthenticationService, AuthController];
  `,
  'src/config/config.ts': `
    export function readConfig(): string | undefined {
      return process.env.DATABASE_URL;
    }
  `,
  'src/identity/user-context.ts': `
    import type { Role } from '../../protocol/resources.js';
    export interface UserContext { readonly userId: string; readonly role: Role; readonly sessionId: string }
  `,
  'src/redis/redis-keys.ts': `
    import { SUBPROTOCOL } from '../../protocol/messages.js';
    export const sessionKey = (user: string, id: string): string => \`chat_session:\${user}:\${id}\`;
    export const spoken = SUBPROTOCOL;
  `,
  'src/session/session.store.ts': `
    import type { Redis } from 'ioredis';
    import type { Role } from '../../protocol/resources.js';
    import { sessionKey } from '../redis/redis-keys.js';
    export interface Session { id: string; userId: string; role: Role }
    export class SessionStore {
      constructor(private readonly redis: Redis) {}
      async read(user: string, id: string): Promise<Session> {
        return { id, userId: user, role: (await this.redis.get(sessionKey(user, id))) === 'admin' ? 'admin' : 'user' };
      }
    }
  `,
  'src/session/session.service.ts': `
    import { SessionStore, type Session } from './session.store.js';
    export class SessionService {
      constructor(private readonly store: SessionStore) {}
      read(user: string, id: string): Promise<Session> { return this.store.read(user, id); }
    }
  `,
  'src/auth/unified-authentication.service.ts': `
    import type { JwtService } from '@nestjs/jwt';
    import type { UserContext } from '../identity/user-context.js';
    import type { SessionService } from '../session/session.service.js';
    export class UnifiedAuthenticationService {
      constructor(private readonly jwt: JwtService, private readonly sessions: SessionService) {}
      async validateToken(token: string): Promise<UserContext> {
        const claims = this.jwt.verify<{ sub: string; session_id: string }>(token);
        const session = await this.sessions.read(claims.sub, claims.session_id);
        return { userId: session.userId, role: session.role, sessionId: session.id };
      }
    }
  `,
  'src/auth/auth.controller.ts': `
    import type { UnifiedAuthenticationService } from './unified-authentication.service.js';
    export class AuthController { constructor(readonly authentication: UnifiedAuthenticationService) {} }
  `,
  'src/auth/user.entity.ts': `
    import { Column, Entity } from 'typeorm';
    @Entity('users')
    export class UserEntity { @Column('text') email!: string }
  `,
  'src/entities.ts': `
    import { UserEntity } from './auth/user.entity.js';
    export const ENTITIES = [UserEntity];
  `,
  'src/database/data-source.ts': `
    import { DataSource } from 'typeorm';
    export const createDataSource = (entities: (new () => object)[]): DataSource =>
      new DataSource({ type: 'postgres', entities });
  `,
  'src/chat/history/message.store.ts': `
    import type { DataSource } from 'typeorm';
    export class MessageStore { constructor(readonly database: DataSource) {} }
  `,
  'src/chat/runs/run.store.ts': `
    import { MessageStore } from '../history/message.store.js';
    export class RunStore { constructor(readonly messages: MessageStore) {} }
  `,
  'src/chat/chat.module.ts': `
    import { RunStore } from './runs/run.store.js';
    export const CHAT = [RunStore];
  `,
  'client/src/chat-client.ts': `
    import { CLOSE_CODES } from '../../protocol/close-codes.js';
    export function dial(url: string): WebSocket {
      const socket = new WebSocket(url);
      socket.onopen = () => socket.close(CLOSE_CODES.normal);
      return socket;
    }
  `,
};
