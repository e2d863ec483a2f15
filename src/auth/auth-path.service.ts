import { Injectable } from '@nestjs/common';

/** The ways on which a credential can come to be decided about, each with the flag that opens it, if one does. */
const FLAG_OF = {
  http: null,
  upgrade: null,
  first_message: 'legacy_first_message',
  frame: null,
  password: null,
  refresh: null,
  exchange: 'legacy_token_formats',
} as const;

export type AuthPath = keyof typeof FLAG_OF;

export const AUTH_PATHS = Object.keys(FLAG_OF) as AuthPath[];

/** What one path has decided since this node started. */
export interface PathUsage {
  path: AuthPath;
  /** What switches it; null where nothing does. */
  flag: string | null;
  accepted: number;
  refused: number;
  last_used_at: string | null;
}

/** How often each path was used, for administrators. */
@Injectable()
export class AuthPathService {
  private readonly usage = new Map<AuthPath, { accepted: number; refused: number; lastMs: number }>();

  count(path: AuthPath, outcome: 'accepted' | 'refused'): void {
    const usage = this.usage.get(path) ?? { accepted: 0, refused: 0, lastMs: 0 };
    usage[outcome] += 1;
    usage.lastMs = Date.now();
    this.usage.set(path, usage);
  }

  /** Every path that there is, used or not. */
  list(): PathUsage[] {
    return AUTH_PATHS.map((path) => {
      const { accepted = 0, refused = 0, lastMs } = this.usage.get(path) ?? {};
      const last_used_at = lastMs === undefined ? null : new Date(lastMs).toISOString();
      return { path, flag: FLAG_OF[path], accepted, refused, last_used_at };
    });
  }
}
