import {
  toApiError,
  type ApiError,
  type ChatApi,
  type SignIn,
  type User,
} from '../../../client/src/index.js';
import { signedOutText, UNTOLD } from './signed-out-text.js';

export type AuthState =
  | { readonly name: 'restoring' }
  /** The server could not be asked whether the stored sign-in is still valid. */
  | { readonly name: 'unreachable'; readonly error: ApiError }
  | { readonly name: 'signed-out'; readonly reason?: string }
  | { readonly name: 'signed-in'; readonly user: User };

export interface AuthSessionOptions {
  api: ChatApi;
  storage: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;
  now?: () => number;
}

interface AccessToken {
  readonly token: string;
  /** From when on it is renewed before it is used, in epoch milliseconds. */
  readonly dueAt: number;
}

const STORAGE_KEY = 'admit-one.refresh-token';
/** A token that expires sooner than this is renewed first, because a request takes time to arrive. */
const MARGIN_MS = 30_000;
/** Of a short life the margin is this share, so that not every request renews the token. */
const MARGIN_SHARE = 1 / 4;

/**
 * Who is signed in on this page. The access token is kept in memory only. The refresh token is kept in sessionStorage:
 * it survives a reload, ends with the tab, and is not shared between tabs, so that no two tabs use the same token.
 * localStorage would outlive the browser window on a shared machine; a cookie would be sent with requests that other
 * sites cause. A script on this page could read either, so the page's policy allows no foreign scripts.
 * A duplicated tab starts with a copy: the second use of a token ends the session on purpose, and the page says so.
 */
export class AuthSession {
  private current: AuthState = { name: 'restoring' };
  private access: AccessToken | undefined;
  private refreshing: Promise<string> | undefined;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly options: AuthSessionOptions) {}

  readonly getState = (): AuthState => this.current;

  readonly onChange = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  };

  /** Restores the sign-in after a reload: at most one request, whose answer validates it. */
  async restore(): Promise<void> {
    if (this.refreshToken === null) {
      this.become({ name: 'signed-out' });
      return;
    }
    this.become({ name: 'restoring' });
    try {
      await this.refresh();
    } catch (thrown) {
      if (this.current.name === 'restoring') this.become({ name: 'unreachable', error: toApiError(thrown) });
    }
  }

  /** @throws ApiError `credentials_invalid` for a wrong password and an unknown user alike. */
  async signIn(email: string, password: string): Promise<void> {
    this.accept(await this.options.api.login(email, password));
  }

  /** @throws ApiError `registration_closed` when the server takes no registrations. */
  async register(email: string, password: string, displayName: string): Promise<void> {
    const named = displayName === '' ? {} : { display_name: displayName };
    await this.options.api.register({ email, password, ...named });
    await this.signIn(email, password);
  }

  /** Signs out on the page at once, then tells the server. */
  async signOut(): Promise<void> {
    const { access, refreshToken } = this;
    this.clear();
    this.become({ name: 'signed-out' });
    try {
      await this.endSession(access, refreshToken);
    } catch (thrown) {
      // A refusal means that the session has already ended; otherwise it is still active, and the user must know.
      if (toApiError(thrown).retry !== 'none') this.become({ name: 'signed-out', reason: UNTOLD });
    }
  }

  /** The server says that this sign-in has ended. */
  readonly expire = (error: ApiError): void => {
    if (this.current.name === 'signed-out') return;
    this.clear();
    this.become({ name: 'signed-out', reason: signedOutText(error) });
  };

  readonly getAccessToken = async ({ fresh }: { fresh: boolean }): Promise<string | undefined> => {
    const isDue = fresh || this.access === undefined || this.isDue(this.access);
    return isDue && this.refreshToken !== null ? this.refresh() : this.access?.token;
  };

  private async endSession(access: AccessToken | undefined, refreshToken: string | null): Promise<void> {
    const { api } = this.options;
    if (access !== undefined && !this.isDue(access)) await api.logout(access.token);
    else if (refreshToken !== null) await api.logout((await api.refresh(refreshToken)).access_token);
  }

  /** One at a time: a token can be used once, and using it twice ends the session. */
  private refresh(): Promise<string> {
    this.refreshing ??= this.spendRefreshToken().finally(() => {
      this.refreshing = undefined;
    });
    return this.refreshing;
  }

  private async spendRefreshToken(): Promise<string> {
    const spent = this.refreshToken;
    try {
      const signIn = await this.options.api.refresh(spent ?? '');
      // The user signed out, or in as another user, before the answer arrived.
      if (this.refreshToken === spent) this.accept(signIn);
      return signIn.access_token;
    } catch (thrown) {
      const error = toApiError(thrown);
      if (error.retry === 'none' && this.refreshToken === spent) this.expire(error);
      throw error;
    }
  }

  private accept(signIn: SignIn): void {
    this.options.storage.setItem(STORAGE_KEY, signIn.refresh_token);
    const lifeMs = signIn.expires_in * 1000;
    const marginMs = Math.min(MARGIN_MS, lifeMs * MARGIN_SHARE);
    this.access = { token: signIn.access_token, dueAt: this.now() + lifeMs - marginMs };
    const isSame = this.current.name === 'signed-in' && this.current.user.id === signIn.user.id;
    if (!isSame) this.become({ name: 'signed-in', user: signIn.user });
  }

  private isDue(access: AccessToken): boolean {
    return this.now() > access.dueAt;
  }

  private clear(): void {
    this.options.storage.removeItem(STORAGE_KEY);
    this.access = undefined;
  }

  private become(state: AuthState): void {
    this.current = state;
    for (const listener of [...this.listeners]) listener();
  }

  private now(): number {
    return this.options.now?.() ?? Date.now();
  }

  private get refreshToken(): string | null {
    return this.options.storage.getItem(STORAGE_KEY);
  }
}
