import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AuthPath } from '../../src/auth/auth-path.service.js';

/** What one node called, and from where: a line that `test/support/witness.mjs` writes. */
export interface Sighting {
  /** A function that can decide on a credential or that reports a decision. */
  primitive: string;
  /** Only for a decision. */
  path?: string;
  outcome?: 'accepted' | 'refused';
  /** The calling class, or the function when there is none. */
  caller: string;
  file: string;
  count: number;
}

export interface Verdict {
  /** Who decided on each path, as text. */
  table: string[];
  faults: string[];
}

/** Subfolder of a run into which its nodes write. */
export const WITNESS_FOLDER = 'witness';

const DECIDER = {
  caller: 'UnifiedAuthenticationService',
  file: 'src/auth/unified-authentication.service.ts',
};

/** A record by path, so that the compiler reports a missing one. */
const PATHS: Record<AuthPath, true> = {
  http: true,
  upgrade: true,
  first_message: true,
  frame: true,
  password: true,
  refresh: true,
  exchange: true,
};

/** What the product calls by design: when one is never seen, the witness is broken. */
const WATCHED = [
  'argon2.verify',
  'JwtService.verify',
  'SessionService.check',
  'SessionService.rotate',
  'SessionService.touch',
  'SessionService.touchById',
  'TicketService.consume',
];

/** Other allowed callers, because their calls grant no access. A new row needs as good a reason. */
const OTHERS = [
  {
    caller: 'SessionWatchService',
    primitives: ['SessionService.touch', 'SessionService.check'],
    reason: 'asks whether a socket that was admitted must go',
  },
  {
    caller: 'src/auth/password.ts',
    primitives: ['argon2.verify'],
    reason: 'a check that waited for its turn has lost its caller; the decision that follows has one',
  },
  {
    caller: 'PasswordService',
    primitives: ['argon2.verify'],
    reason: 'compares for the one service, which decides',
  },
  {
    caller: 'UpgradeRulesService',
    primitives: ['TicketService.consume'],
    reason: 'takes the ticket for the one service, which decides',
  },
  {
    caller: 'OldTokenService',
    primitives: ['SessionService.check', 'SessionService.touch'],
    reason: 'finds the session of an old token for the one service, which decides',
  },
  {
    caller: 'LegacyCredentialsService',
    primitives: ['SessionService.touch', 'SessionService.touchById'],
    reason: 'finds the session of an old credential for the one service, which decides',
  },
];

export function readSightings(runFolder: string): Sighting[] {
  const folder = join(runFolder, WITNESS_FOLDER);
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const lines = readFileSync(join(folder, name), 'utf8').split('\n');
    // Text after the last line end was cut when the node was killed.
    return lines.slice(0, -1).map((line) => JSON.parse(line) as Sighting);
  });
}

/** Checks that every path was decided, both ways, by the one service and by nothing else. */
export function judge(sightings: Sighting[]): Verdict {
  const table = ['path'.padEnd(16) + 'accepted'.padStart(10) + 'refused'.padStart(10) + '  decided by'];
  const faults: string[] = [];
  for (const path of Object.keys(PATHS)) {
    const decisions = sightings.filter((sighting) => sighting.path === path);
    const [accepted, refused] = (['accepted', 'refused'] as const).map((outcome) => {
      const count = total(decisions.filter((decision) => decision.outcome === outcome));
      if (count === 0) faults.push(`no test made the path "${path}" decide: ${outcome}`);
      return String(count).padStart(10);
    });
    table.push(`${path.padEnd(16)}${accepted}${refused}  ${names(decisions)}`);
  }
  for (const [primitive, calls] of byPrimitive(sightings))
    table.push(`${primitive.padEnd(26)}${String(total(calls)).padStart(10)}  ${names(calls)}`);
  return { table, faults: [...faults, ...unwatched(sightings), ...strangers(sightings)] };
}

function unwatched(sightings: Sighting[]): string[] {
  const seen = new Set(sightings.map(({ primitive }) => primitive));
  return WATCHED.filter((primitive) => !seen.has(primitive)).map(
    (primitive) => `nobody was seen to call ${primitive}: is it still watched?`,
  );
}

function strangers(sightings: Sighting[]): string[] {
  const found = sightings.filter((sighting) => !isDecider(sighting) && !isExcused(sighting));
  const lines = found.map(
    ({ caller, file, primitive, path }) =>
      `${caller} (${file}) calls ${path === undefined ? primitive : `${primitive} of path "${path}"`}`,
  );
  return [...new Set(lines)].sort();
}

function isDecider({ caller, file }: Sighting): boolean {
  return caller === DECIDER.caller && file === DECIDER.file;
}

function isExcused({ caller, primitive }: Sighting): boolean {
  return OTHERS.some((other) => other.caller === caller && other.primitives.includes(primitive));
}

function byPrimitive(sightings: Sighting[]): [string, Sighting[]][] {
  const groups = new Map<string, Sighting[]>();
  for (const sighting of sightings) {
    if (sighting.path !== undefined) continue;
    groups.set(sighting.primitive, [...(groups.get(sighting.primitive) ?? []), sighting]);
  }
  return [...groups].sort(([a], [b]) => a.localeCompare(b));
}

/** The callers, each with the reason why it is allowed. */
function names(calls: Sighting[]): string {
  const callers = [...new Set(calls.map(({ caller }) => caller))].sort();
  return callers
    .map((caller) => {
      const reason = OTHERS.find((other) => other.caller === caller)?.reason;
      return reason === undefined ? caller : `${caller} (${reason})`;
    })
    .join(', ');
}

function total(sightings: Sighting[]): number {
  return sightings.reduce((sum, { count }) => sum + count, 0);
}
