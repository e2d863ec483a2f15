import { randomBytes } from 'node:crypto';
import type { Conversation, IssuedTicket, SignIn, TicketPurpose, User } from '../../protocol/resources.js';
import type { Cluster } from './cluster.js';
import { request } from './http.js';
import type { Answer, RequestOptions } from './http.js';
import type { NodeAddress } from './node.js';
import { rememberSecret } from './secrets.js';

/** A signed-in account that no other test uses. */
export interface TestUser {
  readonly user: User;
  readonly email: string;
  readonly password: string;
  readonly accessToken: string;
  readonly refreshToken: string;
  readonly sessionId: string;
}

export interface TicketRequest {
  conversation_id?: string;
  client_id?: string;
  purpose?: TicketPurpose;
  /** Sent as the `Origin` of the mint, to which the ticket is then bound. */
  origin?: string;
}

export async function register(node: NodeAddress, details: { email?: string; password?: string } = {}) {
  const email = details.email ?? `user-${randomBytes(6).toString('hex')}@example.test`;
  const password = rememberSecret(details.password ?? randomBytes(12).toString('base64url'));
  const body = { email, password, display_name: email.split('@')[0] };
  const answer = await request<{ user: User }>('POST', `${node.url}/auth/register`, { body, expect: 201 });
  return { user: answer.body.user, email, password };
}

/** Opens a new session of an existing account. */
export async function signIn(node: NodeAddress, email: string, password: string): Promise<TestUser> {
  const body = { email, password };
  const answer = await request<SignIn>('POST', `${node.url}/auth/login`, { body, expect: 200 });
  return { user: answer.body.user, email, password, ...remembered(answer.body) };
}

/** A new account with one session. */
export async function aUser(cluster: Cluster, node: NodeAddress = cluster.node): Promise<TestUser> {
  const { email, password } = await register(node);
  return signIn(node, email, password);
}

/** A new account with the role `admin`, which nobody can register with over HTTP. */
export async function anAdmin(cluster: Cluster): Promise<TestUser> {
  const { email, password } = await register(cluster.node);
  await promoteToAdmin(cluster, email);
  return signIn(cluster.node, email, password);
}

export async function promoteToAdmin(cluster: Cluster, email: string): Promise<void> {
  await cluster.sql("UPDATE users SET role = 'admin' WHERE email = $1", [email]);
}

/** The credentials in a response of login, refresh or exchange, recorded for the search of the logs. */
export function remembered(signedIn: SignIn) {
  return {
    accessToken: rememberSecret(signedIn.access_token),
    refreshToken: rememberSecret(signedIn.refresh_token),
    sessionId: signedIn.session_id,
  };
}

export async function mintTicket(
  node: NodeAddress,
  user: Pick<TestUser, 'accessToken'>,
  { origin, ...body }: TicketRequest = {},
): Promise<IssuedTicket> {
  const headers = origin === undefined ? undefined : { origin };
  const options: RequestOptions = { token: user.accessToken, body, headers, expect: 201 };
  const answer = await request<IssuedTicket>('POST', `${node.url}/websocket/ticket`, options);
  rememberSecret(answer.body.ticket);
  return answer.body;
}

export async function createConversation(
  node: NodeAddress,
  user: Pick<TestUser, 'accessToken'>,
  title?: string,
): Promise<Conversation> {
  const body = title === undefined ? {} : { title };
  const options: RequestOptions = { token: user.accessToken, body, expect: 201 };
  return (await request<Conversation>('POST', `${node.url}/conversations`, options)).body;
}

/** Calls any route as this user. */
export function as<Body>(
  user: Pick<TestUser, 'accessToken'>,
  method: string,
  url: string,
  options: RequestOptions = {},
): Promise<Answer<Body>> {
  return request<Body>(method, url, { token: user.accessToken, ...options });
}
