import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Renewing a lease no longer changes an index: running runs are renewed often, and each claim has to skip every dead
 * index entry until vacuum removes it.
 */
export class LightenRunIndexes1763800600000 implements MigrationInterface {
  readonly name = 'LightenRunIndexes1763800600000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE runs ADD COLUMN announce_after timestamptz');
    await runner.query(
      "UPDATE runs SET announce_after = lease_until, lease_until = NULL WHERE status NOT IN ('queued', 'running')",
    );
    await runner.query('DROP INDEX runs_leased');
    await runner.query(
      'CREATE INDEX runs_unannounced ON runs (announce_after) WHERE announce_after IS NOT NULL',
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query(
      "UPDATE runs SET lease_until = announce_after WHERE status NOT IN ('queued', 'running')",
    );
    await runner.query('ALTER TABLE runs DROP COLUMN announce_after');
    await runner.query('CREATE INDEX runs_leased ON runs (lease_until) WHERE lease_until IS NOT NULL');
  }
}
