import { parseArgs } from 'node:util';
import { z } from 'zod';
import type { Role } from '../../protocol/resources.js';
import { normalEmail } from '../identity/typed-text.js';

export const ADMIN_HELP = `npm run admin -- <command>
In the container: docker compose exec chat-service node dist/scripts/operations/admin.js <command>

  create-admin <address>           create an administrator; asks for the password twice, without showing it,
                                   or reads it from the first line of a pipe
  set-role <address> <user|admin>  change a role; open sockets come back with it
  disable <address>                end every session, socket and run of an account, and refuse its sign-ins
  enable <address>                 let a disabled account sign in again
  revoke <address>                 end every session, socket and run of an account, which may sign in again
  list                             every account: address, role, state, created

It reads the settings of a node, DATABASE_URL and REDIS_URL above all; without these two, those of a running demo.
Exit codes: 0 done, 1 refused or failed, 2 a command line that is not one of these.`;

export type AdminCommand =
  | { name: 'help' }
  | { name: 'list' }
  | { name: 'create-admin' | 'disable' | 'enable' | 'revoke'; email: string }
  | { name: 'set-role'; email: string; role: Role };

/** The command line is none of ours. The message says what was expected and what came. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

type CommandName = Exclude<AdminCommand['name'], 'help'>;

const PARAMETERS: Record<CommandName, readonly string[]> = {
  'create-admin': ['<address>'],
  'set-role': ['<address>', '<user|admin>'],
  disable: ['<address>'],
  enable: ['<address>'],
  revoke: ['<address>'],
  list: [],
};

const addressSchema = z.email().max(254);

/** @throws {UsageError} */
export function readAdminArguments(args: readonly string[]): AdminCommand {
  const { values, positionals } = parsed(args);
  const [word, ...given] = positionals;
  if (values.help === true || word === 'help') return { name: 'help' };
  const name = requireName(word);
  requireParameters(name, given);
  const [typed = '', role = ''] = given;
  const email = normalEmail(typed);
  if (name !== 'list') requireAddress(email);
  switch (name) {
    case 'list':
      return { name };
    case 'create-admin':
    case 'disable':
    case 'enable':
    case 'revoke':
      return { name, email };
    case 'set-role':
      return { name, email, role: requireRole(role) };
  }
}

function parsed(args: readonly string[]) {
  try {
    const options = { help: { type: 'boolean', short: 'h' } } as const;
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError((error as Error).message, { cause: error });
  }
}

function requireName(word: string | undefined): CommandName {
  const names = Object.keys(PARAMETERS) as CommandName[];
  const name = names.find((known) => known === word);
  if (name !== undefined) return name;
  const came = word === undefined ? 'nothing' : JSON.stringify(word.slice(0, 80));
  throw new UsageError(`expected a command (${names.join(', ')}), got ${came}`);
}

/** What came in place of parameters is counted, not shown: it may be a password. */
function requireParameters(name: CommandName, given: readonly string[]): void {
  const parameters = PARAMETERS[name];
  if (given.length === parameters.length) return;
  const usage = [name, ...parameters].join(' ');
  throw new UsageError(`expected "${usage}", got ${given.length} parameters after ${name}`);
}

function requireAddress(text: string): void {
  if (addressSchema.safeParse(text).success) return;
  throw new UsageError(
    `expected an e-mail address of at most 254 characters, such as you@example.com, got ${JSON.stringify(text.slice(0, 80))}`,
  );
}

function requireRole(text: string): Role {
  if (text === 'user' || text === 'admin') return text;
  throw new UsageError(`expected the role user or admin, got ${JSON.stringify(text.slice(0, 80))}`);
}
