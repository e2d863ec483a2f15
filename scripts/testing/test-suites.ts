import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { onPath } from '../executable.js';
import { say } from '../launch-error.js';
import { PROJECT_ROOT } from '../project.js';
import { fetchPromtool, findPromtool } from '../engines/promtool-binaries.js';
import { StateFolder } from '../state-folder.js';

/** A Debian package that a suite requires. */
interface Need {
  debianPackage: string;
  isThere(): boolean;
  /** Fetches it without installing the package. */
  fetch?(): void;
}

export interface Suite {
  /** Also the name of the Jest project. */
  name: 'unit' | 'e2e' | 'rules' | 'interop' | 'browser' | 'certify';
  /** Folder of its specs, for a suite that may be absent or cannot run as a whole. */
  folder?: string;
  needsEngines: boolean;
  needs: Need[];
  limitMinutes: number;
  /** Files at a time when it needs engines. Default 2. */
  workers?: number;
  /** Run only when it is named, not with the others. */
  isOnDemand?: boolean;
}

const CHROMIUM: Need = { debianPackage: 'chromium', isThere: () => onPath('chromium') !== undefined };
const PYTHON: Need = { debianPackage: 'python3-websockets', isThere: hasPythonWebsockets };
const PROMTOOL: Need = {
  debianPackage: 'prometheus',
  isThere: () => findPromtool(state()) !== undefined,
  fetch: () => fetchPromtool(state()),
};

export const SUITES: Suite[] = [
  { name: 'unit', needsEngines: false, needs: [], limitMinutes: 3 },
  { name: 'e2e', needsEngines: true, needs: [], limitMinutes: 25 },
  { name: 'rules', folder: 'test/rules', needsEngines: false, needs: [PROMTOOL], limitMinutes: 1 },
  { name: 'interop', folder: 'test/interop', needsEngines: true, needs: [PYTHON], limitMinutes: 2 },
  { name: 'browser', folder: 'test/browser', needsEngines: true, needs: [CHROMIUM], limitMinutes: 3 },
  {
    name: 'certify',
    folder: 'test/certify',
    needsEngines: true,
    needs: [],
    limitMinutes: 150,
    workers: 1,
    isOnDemand: true,
  },
];

/** Spec files of a suite that has its own folder. */
export function specFiles(suite: Suite): string[] {
  const folder = suite.folder === undefined ? undefined : join(PROJECT_ROOT, suite.folder);
  if (folder === undefined || !existsSync(folder)) return [];
  return readdirSync(folder).filter((name) => /-spec\.tsx?$/.test(name));
}

/** Installs what a suite lacks where that is allowed. Returns the Debian packages that are still missing. */
export function bringNeeds(suite: Suite): string[] {
  const absent = suite.needs.filter((need) => !need.isThere());
  for (const need of absent) need.fetch?.();
  const lacking = absent.filter((need) => need.fetch === undefined);
  const apt = onPath('apt-get');
  if (lacking.length > 0 && apt !== undefined && process.getuid?.() === 0) {
    const packages = lacking.map((need) => need.debianPackage);
    say(`Installing ${packages.join(', ')} for the ${suite.name} suite`);
    if (!install(apt, packages) && aptGet(apt, ['update'])) install(apt, packages);
  }
  return absent.filter((need) => !need.isThere()).map((need) => need.debianPackage);
}

function install(apt: string, packages: string[]): boolean {
  return aptGet(apt, ['install', '--yes', '--no-install-recommends', ...packages]);
}

function aptGet(apt: string, args: string[]): boolean {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const options = ['-o', 'DPkg::Lock::Timeout=120'];
  return spawnSync(apt, [...options, ...args], { env, stdio: 'ignore', timeout: 300_000 }).status === 0;
}

function state(): StateFolder {
  return new StateFolder(PROJECT_ROOT);
}

/** Debian's own interpreter: another python3 earlier on PATH cannot import Debian's modules. */
function hasPythonWebsockets(): boolean {
  return spawnSync('/usr/bin/python3', ['-c', 'import websockets'], { stdio: 'ignore' }).status === 0;
}
