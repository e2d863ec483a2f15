import { CLEAN, type Tree } from './import-rules.clean-tree.js';

export interface Fault {
  /** The mistake, which completes "the rules find …". */
  readonly title: string;
  /** The rule that must find it. */
  readonly rule: string;
  /** Where it must find it: the last file of `files`, unless another place is named. */
  readonly at?: string;
  readonly files: Tree;
}

function fault(title: string, rule: string, files: Tree, at?: string): Fault {
  return { title, rule, files, ...(at === undefined ? {} : { at }) };
}

/** Faults in the authentication service itself: a session that is not read, and a failure that admits users. */
const WAYS_ROUND: Tree = {
  'src/auth/unified-authentication.service.ts': `
    import type { JwtService } from '@nestjs/jwt';
    import type { UserContext } from '../identity/user-context.js';
    import type { SessionService } from '../session/session.service.js';
    export class UnifiedAuthenticationService {
      constructor(private readonly jwt: JwtService, private readonly sessions: SessionService) {}
      validateToken(token: string): UserContext {
        const claims = this.jwt.verify<{ sub: string; session_id: string }>(token);
        return { userId: claims.sub, role: 'user', sessionId: claims.session_id };
      }
      async contextOf(claims: UserContext): Promise<UserContext> {
        try {
          const session = await this.sessions.read(claims.userId, claims.sessionId);
          return { userId: session.userId, role: session.role, sessionId: session.id };
        } catch {
          return claims;
        }
      }
    }
  `,
};

export const FAULTS: readonly Fault[] = [
  // 1. The graph is whole and has no cycle.
  fault('two files that import each other', 'no-cycle', {
    'src/errors/right.ts': `import { left } from './left.js'; export const right = (): number => left();`,
    'src/errors/left.ts': `import { right } from './right.js'; export const left = (): number => right();`,
  }),
  fault('a cycle of types alone', 'no-cycle', {
    'src/errors/hen.ts': `import type { Egg } from './egg.js'; export interface Hen { lays: Egg[] }`,
    'src/errors/egg.ts': `import type { Hen } from './hen.js'; export interface Egg { of: Hen }`,
  }),
  fault('a file that nothing imports', 'no-orphan', { 'src/errors/alone.ts': `export const alone = 1;` }),
  fault('an import of a missing file', 'no-unresolvable', {
    'src/errors/nowhere.ts': `import './gone.js';`,
  }),
  fault('a barrel', 'house/no-barrel', { 'src/session/index.ts': `export * from './session.service.js';` }),
  fault('a source file that uses a spec', 'no-spec-import', {
    'src/errors/thing.spec.ts': `export const prepared = 1;`,
    'src/errors/thing.ts': `export { prepared } from './thing.spec.js';`,
  }),
  fault('a development tool at run time', 'no-dev-dependency', {
    'src/errors/random.ts': `import fc from 'fast-check'; export const random = fc;`,
  }),

  // 2. The tiers and the wings.
  fault('a leaf that knows authentication', 'tier', {
    'src/errors/guess.ts': `export { UnifiedAuthenticationService } from '../auth/unified-authentication.service.js';`,
  }),
  fault('a ticket that knows sockets', 'tier', {
    'src/websocket/socket/socket.ts': `export const socket = 1;`,
    'src/ticket/push.service.ts': `export { socket } from '../websocket/socket/socket.js';`,
  }),
  fault('tickets that know sessions, beside them', 'tier', {
    'src/ticket/owner.service.ts': `export { SessionService } from '../session/session.service.js';`,
  }),
  fault('authentication that knows chat', 'tier', {
    'src/auth/greeter.service.ts': `export { CHAT } from '../chat/chat.module.js';`,
  }),
  fault('authentication that knows the old ways', 'tier', {
    'src/auth/legacy/old-token.ts': `export { AuthController } from '../auth.controller.js';`,
    'src/auth/token-form.ts': `export { AuthController } from './legacy/old-token.js';`,
  }),
  fault('sockets that know chat', 'tier', {
    'src/websocket/socket/talk.ts': `export { CHAT } from '../../chat/chat.module.js';`,
  }),
  fault('sockets that know the health room', 'tier', {
    'src/health/beat.ts': `export const beat = 1;`,
    'src/websocket/socket/pulse.ts': `export { beat } from '../../health/beat.js';`,
  }),
  fault('chat that knows the root', 'tier', { 'src/chat/root.ts': `import '../app.module.js';` }),
  fault('a database that knows a row', 'tier', {
    'src/database/rows.ts': `export { UserEntity } from '../auth/user.entity.js';`,
  }),
  fault('a wing that knows the one above it', 'wing', {
    'src/chat/history/latest.store.ts': `export { RunStore } from '../runs/run.store.js';`,
  }),
  fault('a wing that knows what puts the room together', 'wing', {
    'src/chat/runs/all.ts': `export { CHAT } from '../chat.module.js';`,
  }),
  fault('wings of one level that know each other', 'wing', {
    'src/responder/ollama/line.ts': `export const line = 1;`,
    'src/responder/builtin/copy.ts': `export { line } from '../ollama/line.js';`,
  }),
  fault(
    'three folders in a circle',
    'no-folder-circle',
    {
      'src/errors/text.ts': `export const text = 'text';`,
      'src/config/keyword.ts': `export { text } from '../errors/text.js';`,
      'src/observability/level.ts': `export { text } from '../config/keyword.js';`,
      'src/errors/codes.ts': `export { text } from '../observability/level.js';`,
    },
    'src/errors',
  ),
  fault('a list of entities that holds more', 'entity-list-lists', {
    'src/entities.ts': `${CLEAN['src/entities.ts'] ?? ''}
      export { AuthController } from './auth/auth.controller.js';`,
  }),
  fault('a room without a tier', 'room-without-tier', {
    'src/utils/strings.ts': `export { readConfig } from '../config/config.js';`,
  }),
  fault('a wing without a place', 'wing-without-place', {
    'src/chat/helpers/strings.ts': `export { RunStore } from '../runs/run.store.js';`,
  }),
  fault('a protocol that imports the server', 'protocol-imports-nothing', {
    'protocol/extra.ts': `export type { UserContext } from '../src/identity/user-context.js';`,
  }),
  fault('a client that imports the server', 'client-imports-protocol', {
    'client/src/peek.ts': `export type { UserContext } from '../../src/identity/user-context.js';`,
  }),
  fault('a page that imports the server', 'web-imports-client', {
    'web/src/peek.ts': `export type { UserContext } from '../../src/identity/user-context.js';`,
  }),
  fault('a server that imports its client', 'src-imports-no-program', {
    'src/chat/dialler.ts': `export { dial } from '../../client/src/chat-client.js';`,
  }),
  fault('a migration that imports an entity', 'migrations-stand-alone', {
    'migrations/1-users.ts': `export { UserEntity } from '../src/auth/user.entity.js';`,
  }),

  // 3. One verifier, one decider.
  fault('a JWT library in a second place', 'one-verifier', {
    'src/websocket/jwt-check.ts': `import { JwtService } from '@nestjs/jwt'; export const check = new JwtService();`,
  }),
  fault('a second place that decides about a credential', 'one-decider', {
    'src/auth/auth-report.service.ts': `export class AuthReportService { success(path: string): string { return path; } }`,
    'src/auth/magic-link.service.ts': `
      import type { AuthReportService } from './auth-report.service.js';
      export class MagicLinkService {
        constructor(private readonly outcome: AuthReportService) {}
        admit(): string { return this.outcome.success('link'); }
      }`,
  }),

  // 4. Engines behind stores, stores inside their room.
  fault('Redis in a service', 'ioredis-homes', {
    'src/ticket/quick.service.ts': `import { Redis } from 'ioredis'; export const quick = Redis;`,
  }),
  fault('SQL in a controller', 'sql-homes', {
    'src/chat/rows.controller.ts': `import { DataSource } from 'typeorm'; export const rows = DataSource;`,
  }),
  fault('a store of another room', 'stores-stay-home', {
    'src/auth/shortcut.service.ts': `export { SessionStore } from '../session/session.store.js';`,
  }),
  fault('an entity in the root', 'stores-stay-home-root', {
    'src/app.module.ts': `export { UserEntity } from './auth/user.entity.js';`,
  }),
  fault('a module that exports its store', 'house/no-exported-store', {
    'src/session/session.module.ts': `
      import { Module } from '@nestjs/common';
      import { SessionStore } from './session.store.js';
      @Module({ providers: [SessionStore], exports: [SessionStore] })
      export class SessionModule {}`,
  }),

  fault('a constructor with six parameters', 'house/few-dependencies', {
    'src/session/greedy.service.ts': `
      export class GreedyService {
        constructor(readonly a: 1, readonly b: 2, readonly c: 3, readonly d: 4, readonly e: 5, readonly f: 6) {}
      }`,
  }),
  fault('an injected class in a file without a role', 'house/role-in-name', {
    'src/session/clean-up.ts': `
      import { Injectable } from '@nestjs/common';
      @Injectable()
      export class CleanUpService {}`,
  }),
  fault('an injected class that does not say its role', 'house/role-in-name', {
    'src/session/clean-up.service.ts': `
      import { Injectable } from '@nestjs/common';
      @Injectable()
      export class CleanUp {}`,
  }),
  fault('a dot inside a noun', 'house/role-in-name', {
    'src/session/clean.up.ts': `export const cleanUp = 1;`,
  }),

  // 5. Directions.
  fault('a service that knows a controller', 'service-looks-down', {
    'src/auth/upward.service.ts': `export { AuthController } from './auth.controller.js';`,
  }),
  fault('a store that calls a service', 'store-below-service', {
    'src/session/upward.store.ts': `export { SessionService } from './session.service.js';`,
  }),

  // 6. One home for each fact.
  fault('a setting read from process.env', 'house/no-process-env', {
    'src/chat/pace.ts': `export const pace = Number(process.env.PACE);`,
  }),
  fault('a Redis key written by hand', 'house/no-redis-key-literal', {
    'src/ticket/hand.store.ts': 'export const key = (digest: string): string => `ws_ticket:${digest}`;',
  }),
  fault('a close code as a number', 'house/no-numeric-close-code', {
    'src/websocket/bye.ts': `export function bye(socket: { close(code: number): void }): void { socket.close(4410); }`,
  }),
  fault('a catch that holds only a comment', 'house/no-empty-catch', {
    'src/chat/swallow.ts': `export function swallow(work: () => void): void { try { work(); } catch { /* never mind */ } }`,
  }),
  fault('a rejection that is ignored', 'house/no-ignored-rejection', {
    'src/chat/hush.ts': `export const hush = (work: () => Promise<void>): Promise<void> => work().catch(() => undefined);`,
  }),
  fault('a console call', 'no-console', {
    'src/chat/print.ts': `export const print = (): void => console.log('hello');`,
  }),
  fault('a floating promise', '@typescript-eslint/no-floating-promises', {
    'src/chat/float.ts': `export function float(work: () => Promise<void>): void { void work(); }`,
  }),
  fault('a switch without one of the cases', '@typescript-eslint/switch-exhaustiveness-check', {
    'src/chat/choose.ts': `
      export function choose(role: 'user' | 'admin'): number {
        switch (role) { case 'user': return 1; }
        return 0;
      }`,
  }),
  fault('an any', '@typescript-eslint/no-explicit-any', {
    'src/chat/loose.ts': `export let loose: any = 1; loose = 2;`,
  }),
  fault('a second place that opens sockets', 'house/no-second-socket', {
    'web/src/socket.ts': `export const open = (): WebSocket => new window.WebSocket('/ws');`,
  }),
  fault('a page that names WebSocket', 'no-restricted-globals', {
    'web/src/alias.ts': `export const Socket = WebSocket;`,
  }),

  // Six faults that creep into such systems.
  fault('a second verifier, by hand', 'house/no-second-verifier', {
    'src/websocket/own-jwt.ts': `
      import { createHmac } from 'node:crypto';
      export function subjectOf(token: string, key: string): unknown {
        const [head, body, mac] = token.split('.');
        const good = createHmac('sha256', key).update(\`\${head}.\${body}\`).digest('base64url') === mac;
        return good ? JSON.parse(Buffer.from(body ?? '', 'base64url').toString()) : undefined;
      }`,
  }),
  fault('a second verifier, by a library that was handed over', 'house/no-second-verifier', {
    'src/websocket/borrowed.ts': `
      export class Borrowed {
        constructor(private readonly jwt: { verify(token: string): unknown }) {}
        subjectOf(token: string): unknown { return this.jwt.verify(token); }
      }`,
  }),
  fault('an environment branch in authentication', 'house/no-environment-branch', {
    'src/auth/strictness.ts': `export const strict = (stage: string): boolean => stage !== 'development';`,
  }),
  fault('a bypass variable', 'house/no-bypass', {
    'src/auth/open-door.ts': `export const open = (settings: Map<string, string>): boolean => settings.has('E2E_BYPASS_AUTH');`,
  }),
  fault('a fast path that skips the session', 'house/user-context-from-session', WAYS_ROUND),
  fault('an identity made outside the one service', 'house/user-context-from-session', {
    'src/websocket/guest.ts': `
      import type { UserContext } from '../identity/user-context.js';
      export const guest = (id: string): UserContext => ({ userId: id, role: 'user', sessionId: id });`,
  }),
  fault('an answer from the token alone when Redis fails', 'house/no-open-failure', WAYS_ROUND),
  fault('a fallback after the first way has failed', 'house/no-fallback', {
    'src/websocket/tolerant.ts': `export const authenticateWithFallback = (): boolean => true;`,
  }),
  fault('an echoed subprotocol', 'house/no-echoed-credential', {
    'src/websocket/echo.ts': `
      export const options = {
        handleProtocols: (offered: Set<string>): string | false => [...offered][0] ?? false,
      };`,
  }),
  fault('a ticket in an error message', 'house/no-echoed-credential', {
    'src/ticket/chatty.ts':
      'export const fault = (ticket: string): Error => new Error(`unknown ticket ${ticket}`);',
  }),
];
