import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Each running run holds one of its user's places. Places are unique, which limits runs across any number of nodes. */
export class LimitRunsPerUser1763800500000 implements MigrationInterface {
  readonly name = 'LimitRunsPerUser1763800500000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE runs ADD COLUMN place smallint');
    await runner.query("CREATE UNIQUE INDEX runs_places ON runs (user_id, place) WHERE status = 'running'");
    // Claims go from user to user instead of through the whole queue.
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
