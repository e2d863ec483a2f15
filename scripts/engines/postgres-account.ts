import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { onPath } from '../executable.js';
import { LaunchError } from '../launch-error.js';

/** How to start Postgres as a user other than root: directly, with another uid, or through `setpriv`. */
export interface PostgresAccount {
  /** Prefix of the command. */
  prefix: string[];
  uid?: number;
  gid?: number;
  /** Owner of the data folder; undefined when it is our own user. */
  owner?: number;
}

/** Postgres refuses to run as root. 65534 is "nobody" on Debian, Fedora and Alpine alike. */
const NOBODY = 65534;

/**
 * A checkout below a 0700 folder (/root, a mktemp folder) cannot be entered by another uid. DAC_OVERRIDE, which root has
 * even in a default container, lets it pass there and is still far less than root. initdb asks access(2), which ignores
 * the capabilities of a uid other than 0 unless NO_SETUID_FIXUP is set (capabilities(7)).
 */
const WITH_PASSAGE = [
  '--reuid',
  String(NOBODY),
  '--regid',
  String(NOBODY),
  '--clear-groups',
  '--inh-caps',
  '+dac_override',
  '--ambient-caps',
  '+dac_override',
  '--securebits',
  '+no_setuid_fixup',
];

export function dataOwner(): number | undefined {
  return process.getuid?.() === 0 ? NOBODY : undefined;
}

export function postgresAccount(binaries: string, dataFolder: string): PostgresAccount {
  if (dataOwner() === undefined) return { prefix: [] };
  const plain: PostgresAccount = { prefix: [], uid: NOBODY, gid: NOBODY, owner: NOBODY };
  if (canWork(plain, binaries, dataFolder)) return plain;
  const setpriv = onPath('setpriv');
  if (setpriv !== undefined) {
    const passing: PostgresAccount = { prefix: [setpriv, ...WITH_PASSAGE], owner: NOBODY };
    if (canWork(passing, binaries, dataFolder)) return passing;
  }
  throw new LaunchError(
    `Postgres may not run as root, and uid ${NOBODY} cannot reach ${dataFolder}: ` +
      'work as an ordinary user, or in a folder that others may enter (chmod o+x its parents), or set DATABASE_URL.',
  );
}

function canWork(account: PostgresAccount, binaries: string, dataFolder: string): boolean {
  const test = 'test -x "$1" && test -w "$2"';
  const [command, ...args] = [
    ...account.prefix,
    '/bin/sh',
    '-c',
    test,
    'sh',
    join(binaries, 'postgres'),
    dataFolder,
  ];
  if (command === undefined) return false;
  const { uid, gid } = account;
  return spawnSync(command, args, { uid, gid, cwd: '/', stdio: 'ignore' }).status === 0;
}
