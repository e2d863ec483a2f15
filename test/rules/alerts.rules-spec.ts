import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { findPromtool } from '../../scripts/engines/promtool-binaries.js';
import { PROJECT_ROOT } from '../../scripts/project.js';
import { StateFolder } from '../../scripts/state-folder.js';

const LIMIT_MS = 50_000;

/** Runs promtool in ops/. Returns its exit status and its output. */
function promtool(...args: string[]): { status: number | null; said: string } {
  const command = findPromtool(new StateFolder(PROJECT_ROOT));
  if (command === undefined) throw new Error('expected promtool on the path or among the fetched programs');
  const options = { cwd: join(PROJECT_ROOT, 'ops'), encoding: 'utf8', timeout: LIMIT_MS } as const;
  const { status, stdout, stderr } = spawnSync(command, args, options);
  return { status, said: stdout + stderr };
}

test.each([
  ['accepts ops/prometheus.yml with its rules', ['check', 'config', 'prometheus.yml']],
  ['raises each alert when it should, and not before', ['test', 'rules', 'alerts.test.yml']],
])(
  'Prometheus %s',
  (_what, args) => {
    expect(promtool(...args)).toEqual({ status: 0, said: expect.stringContaining('SUCCESS') });
  },
  LIMIT_MS,
);
