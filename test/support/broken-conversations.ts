import type { Engines } from './engines.js';

/** Where the rows are meanwhile. */
const ELSEWHERE = 'conversations_elsewhere';

/**
 * Makes every conversation that is read a fault of the server: its row divides by zero. A table that is missing would be
 * the fault of an operator.
 */
export async function breakConversations({ sql }: Pick<Engines, 'sql'>): Promise<void> {
  await sql(`
    ALTER TABLE conversations RENAME TO ${ELSEWHERE};
    CREATE VIEW conversations AS SELECT * FROM ${ELSEWHERE} WHERE 1 / (last_seq - last_seq) = 0`);
}

/** Does nothing when they are not broken. */
export async function mendConversations({ sql }: Pick<Engines, 'sql'>): Promise<void> {
  const [broken] = await sql('SELECT 1 FROM pg_class WHERE relname = $1', [ELSEWHERE]);
  if (broken !== undefined)
    await sql(`DROP VIEW conversations; ALTER TABLE ${ELSEWHERE} RENAME TO conversations`);
}
