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
  /** The server could not be asked whether the kept sign-in is still good. */
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
  /** Epoch milliseconds. */
  readonly expiresAt: number;
}

const STORAGE_KEY = 'admit-one.refresh-token';
/** A token that ends sooner than this is renewed first: a request has to arrive, too. */
const MARGIN_MS = 30_000;

/**
 * Who is signed in on this page. The access token lives in memory alone. The refresh token is kept in sessionStorage:
 * it survives a reload, ends with the tab, and is not shared between tabs, so that no two of them spend the same
 * token. localStorage would outlive the browser's window on a shared machine; a cookie would travel with requests that
 * others cause. Whoever can run script here can read either, which is why the page's policy admits no foreign script.
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

  /** Takes up the sign-in of before the reload: at most one request, whose answer is the validation. */
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

  /** @throws ApiError `registration_closed` where strangers may not register. */
  async register(email: string, password: string, displayName: string): Promise<void> {
    const named = displayName === '' ? {} : { display_name: displayName };
    await this.options.api.register({ email, password, ...named });
    await this.signIn(email, password);
  }

  /** Leaves the page at once, then tells the server. */
  async signOut(): Promise<void> {
    const { access, refreshToken } = this;
    this.clear();
    this.become({ name: 'signed-out' });
    try {
      await this.endSession(access, refreshToken);
    } catch (thrown) {
      // Refused means that the session is over anyway; otherwise it lives on, and somebody should know.
      if (toApiError(thrown).retry !== 'none') this.become({ name: 'signed-out', reason: UNTOLD });
    }
  }

  /** The server says that this sign-in is over. */
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

  /** One at a time: each use spends the token, and spending one twice ends the session. */
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
      // Somebody signed out, or in as another, while the answer was on its way.
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
    this.access = { token: signIn.access_token, expiresAt: this.now() + signIn.expires_in * 1000 };
    const isSame = this.current.name === 'signed-in' && this.current.user.id === signIn.user.id;
    if (!isSame) this.become({ name: 'signed-in', user: signIn.user });
  }

  private isDue(access: AccessToken): boolean {
    return access.expiresAt - this.now() < MARGIN_MS;
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
