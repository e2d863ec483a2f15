import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { hashPassword } from '../../src/auth/password.js';
import { migrate } from '../../src/database/data-source.js';
import { LaunchError } from '../launch-error.js';

/** Public, so it must be used in the demo only. */
export const DEMO_PASSWORD = 'demo-password';

export const DEMO_ACCOUNTS = [
  { email: 'user-a@example.test', name: 'User A', role: 'user' },
  { email: 'user-b@example.test', name: 'User B', role: 'user' },
  { email: 'admin@example.test', name: 'Admin', role: 'admin' },
] as const;

/** Brings the schema up to date and creates the three accounts, or resets them to what is printed. */
export async function prepareDatabase(databaseUrl: string): Promise<void> {
  try {
    await migrate(databaseUrl);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new LaunchError(
      `The migration failed (${reason}): use an empty database, which npm run demo -- --reset makes of the private one.`,
    );
  }
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    for (const { email, name, role } of DEMO_ACCOUNTS) {
      await client.query(
        `INSERT INTO users (id, email, display_name, role, password_hash) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (email) DO UPDATE SET role = EXCLUDED.role, password_hash = EXCLUDED.password_hash, disabled_at = NULL`,
        [randomUUID(), email, name, role, await hashPassword(DEMO_PASSWORD)],
      );
    }
  } finally {
    await client.end();
  }
}
