import { createHmac, createSecretKey, randomBytes, timingSafeEqual } from 'node:crypto';
import { Redis } from 'ioredis';
import { SETTINGS } from './peer-settings.js';

/** The part of the product's session that a peer uses. */
export interface PeerSession {
  user_id: string;
  session_id: string;
}

const TICKET_SECONDS = 30;
/** 32 bytes in base64url. */
const TICKET_FORM = /[?&]ticket=([\w-]{43})(?:&|$)/;

const key = createSecretKey(Buffer.from(SETTINGS.jwtSecret));
const redis = new Redis(SETTINGS.redisUrl);

/** The single-use ticket without anything around it: no receipt, no audit, no limit, no metric. One command of Redis. */
export async function issueTicket(authorization: string | undefined): Promise<string | undefined> {
  const session =
    authorization?.startsWith('Bearer ') === true ? sessionKeyIn(authorization.slice(7)) : undefined;
  if (session === undefined) return undefined;
  const ticket = randomBytes(32).toString('base64url');
  await redis.set(`ws_ticket:${ticket}`, session, 'EX', TICKET_SECONDS);
  return JSON.stringify({ ticket, expires_in: TICKET_SECONDS });
}

/** Takes the ticket in the query of an upgrade, so that nobody else can, and reads its session: two commands. */
export async function redeemTicket(url: string | undefined): Promise<PeerSession | undefined> {
  const ticket = TICKET_FORM.exec(url ?? '')?.[1];
  if (ticket === undefined) return undefined;
  const session = await redis.getdel(`ws_ticket:${ticket}`);
  const json = session === null ? null : await redis.get(session);
  return json === null ? undefined : (JSON.parse(json) as PeerSession);
}

/** The Redis key of the session that an access token names, if the token is ours and still valid (RFC 7519, HS256). */
function sessionKeyIn(token: string): string | undefined {
  const end = token.lastIndexOf('.');
  const signature = Buffer.from(token.slice(end + 1), 'base64url');
  const expected = createHmac('sha256', key).update(token.slice(0, end)).digest();
  if (signature.length !== expected.length || !timingSafeEqual(signature, expected)) return undefined;
  const payload = Buffer.from(token.slice(token.indexOf('.') + 1, end), 'base64url').toString();
  const claims = JSON.parse(payload) as { sub: string; session_id: string; exp: number };
  return claims.exp * 1000 > Date.now() ? `chat_session:${claims.sub}:${claims.session_id}` : undefined;
}
