import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateConversations1763800100000 implements MigrationInterface {
  readonly name = 'CreateConversations1763800100000';

  async up(runner: QueryRunner): Promise<void> {
    await createLog(runner);
    await createRuns(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    for (const table of ['runs', 'events', 'messages', 'conversations']) {
      await runner.query(`DROP TABLE ${table}`);
    }
  }
}

/** Times have millisecond precision like the wire, so that rounding never skips a row between two pages. */
async function createLog(runner: QueryRunner): Promise<void> {
  // Every event updates its conversation's row: free space keeps the new version on the same page.
  await runner.query(`
    CREATE TABLE conversations (
      id uuid PRIMARY KEY,
      user_id uuid NOT NULL REFERENCES users (id) ON DELETE CASCADE,
      title text NOT NULL,
      last_seq bigint NOT NULL DEFAULT 0,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      updated_at timestamptz(3) NOT NULL DEFAULT now()
    ) WITH (fillfactor = 70)`);
  await runner.query(
    'CREATE INDEX conversations_of_user ON conversations (user_id, created_at DESC, id DESC)',
  );
  await runner.query(`
    CREATE TABLE messages (
      id uuid PRIMARY KEY,
      conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
      user_id uuid NOT NULL,
      role text NOT NULL CHECK (role IN ('user', 'assistant')),
      content text NOT NULL,
      status text NOT NULL CHECK (status IN ('complete', 'streaming', 'failed', 'cancelled')),
      seq bigint NOT NULL,
      run_id uuid,
      parent_id uuid,
      client_message_id text,
      created_at timestamptz(3) NOT NULL,
      UNIQUE (conversation_id, seq),
      UNIQUE (user_id, client_message_id)
    )`);
  await runner.query("CREATE INDEX messages_answers ON messages (parent_id, seq) WHERE role = 'assistant'");
  await runner.query(`
    CREATE TABLE events (
      conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
      seq bigint NOT NULL,
      type text NOT NULL,
      data jsonb NOT NULL,
      ts timestamptz(3) NOT NULL,
      PRIMARY KEY (conversation_id, seq)
    )`);
}

async function createRuns(runner: QueryRunner): Promise<void> {
  await runner.query(`
    CREATE TABLE runs (
      id uuid PRIMARY KEY,
      position bigint GENERATED ALWAYS AS IDENTITY,
      conversation_id uuid NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
      user_id uuid NOT NULL,
      client_message_id text NOT NULL,
      question_id uuid NOT NULL,
      message_id uuid,
      status text NOT NULL DEFAULT 'queued'
        CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
      attempt int NOT NULL DEFAULT 0,
      node text,
      lease_until timestamptz,
      cancel_requested_at timestamptz,
      outcome jsonb,
      created_at timestamptz(3) NOT NULL DEFAULT now(),
      started_at timestamptz(3),
      ended_at timestamptz(3),
      UNIQUE (user_id, client_message_id)
    ) WITH (fillfactor = 70)`);
  await runner.query(
    "CREATE UNIQUE INDEX runs_one_running ON runs (conversation_id) WHERE status = 'running'",
  );
  await runner.query("CREATE INDEX runs_queue ON runs (position) WHERE status = 'queued'");
  await runner.query(
    "CREATE INDEX runs_open ON runs (conversation_id, position) WHERE status IN ('queued', 'running')",
  );
  await runner.query('CREATE INDEX runs_leased ON runs (lease_until) WHERE lease_until IS NOT NULL');
  // The foreign key has to find all runs of a deleted conversation, including ended ones.
  await runner.query('CREATE INDEX runs_of_conversation ON runs (conversation_id)');
}
