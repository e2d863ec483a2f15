import { Injectable } from '@nestjs/common';
import { AuthUsageService } from '../rollout/auth-usage.service.js';

/** The paths by which a credential can arrive, each with the flag that enables it, if there is one. */
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

/** Decisions on one path, on all nodes. */
export interface PathUsage {
  path: AuthPath;
  /** Flag that enables the path; null if it is always enabled. */
  flag: string | null;
  accepted: number;
  refused: number;
  last_used_at: string | null;
}

type Outcome = 'accepted' | 'refused';

/** How often each path was used in the cluster, for administrators. */
@Injectable()
export class AuthPathService {
  constructor(private readonly usage: AuthUsageService) {}

  count(path: AuthPath, outcome: Outcome): void {
    this.usage.add(nameOf(path, outcome));
  }

  /** All paths, used or not. @throws {AppError} `dependency_unavailable` */
  async list(): Promise<{ since: string | null; paths: PathUsage[] }> {
    const { since, used } = await this.usage.read();
    const paths = AUTH_PATHS.map((path) => {
      const accepted = used.get(nameOf(path, 'accepted'));
      const refused = used.get(nameOf(path, 'refused'));
      const lastMs = Math.max(accepted?.lastMs ?? 0, refused?.lastMs ?? 0);
      return {
        path,
        flag: FLAG_OF[path],
        accepted: accepted?.count ?? 0,
        refused: refused?.count ?? 0,
        last_used_at: lastMs === 0 ? null : new Date(lastMs).toISOString(),
      };
    });
    return { since, paths };
  }
}

function nameOf(path: AuthPath, outcome: Outcome): string {
  return `path|${path}|${outcome}`;
}
