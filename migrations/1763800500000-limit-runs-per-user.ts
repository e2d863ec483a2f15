import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A running run holds one of its user's places. That no two hold the same one is what limits them, on any number of nodes. */
export class LimitRunsPerUser1763800500000 implements MigrationInterface {
  readonly name = 'LimitRunsPerUser1763800500000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE runs ADD COLUMN place smallint');
    await runner.query("CREATE UNIQUE INDEX runs_places ON runs (user_id, place) WHERE status = 'running'");
    // Claims look from user to user, and no longer through the queue as a whole.
    await runner.query("CREATE INDEX runs_waiting ON runs (user_id, position) WHERE status = 'queued'");
    await runner.query('DROP INDEX runs_queue');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query("CREATE INDEX runs_queue ON runs (position) WHERE status = 'queued'");
    await runner.query('DROP INDEX runs_waiting');
    await runner.query('DROP INDEX runs_places');
    await runner.query('ALTER TABLE runs DROP COLUMN place');
  }
}
