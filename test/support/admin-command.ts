import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { PROJECT_ROOT } from '../../scripts/project.js';
import { currentRun } from '../../scripts/testing/test-run.js';

export interface CommandEnd {
  code: number | null;
  output: string;
  errors: string;
}

const PROGRAM = join(PROJECT_ROOT, 'dist', 'scripts', 'operations', 'admin.js');
const TIME_LIMIT_MS = 20_000;

export interface CommandOptions {
  /** Piped to the program. */
  input?: string;
  /** When the input is sent; at once unless said otherwise. */
  inputAfter?: Promise<unknown>;
  /** Its whole environment, except for PATH and HOME. */
  env: Record<string, string>;
  /** Working directory. Default: a folder of the test run, without a demo. */
  folder?: string;
}

/** Runs the built `npm run admin` once. */
export async function runAdmin(args: string[], options: CommandOptions): Promise<CommandEnd> {
  const { input = '', inputAfter = Promise.resolve(), env, folder = currentRun().data } = options;
  const { PATH = '', HOME = '/' } = process.env;
  const program = spawn(process.execPath, [PROGRAM, ...args], {
    cwd: folder,
    env: { PATH, HOME, ...env },
    timeout: TIME_LIMIT_MS,
  });
  // The program may end without reading its input.
  program.stdin.on('error', () => program.stdin.destroy());
  const sending = inputAfter.then(() => program.stdin.end(input));
  const [output, errors] = await Promise.all([
    text(program.stdout),
    text(program.stderr),
    once(program, 'close'),
    sending,
  ]);
  return { code: program.exitCode, output: output.trim(), errors: errors.trim() };
}
