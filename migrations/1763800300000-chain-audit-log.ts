import type { MigrationInterface, QueryRunner } from 'typeorm';

const GENESIS = '0'.repeat(64);

/** Turns the audit log into an append-only chain. Rows written before cannot be chained afterwards and are dropped. */
export class ChainAuditLog1763800300000 implements MigrationInterface {
  readonly name = 'ChainAuditLog1763800300000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE audit_log');
    await runner.query(`
      CREATE TABLE audit_log (
        id bigint PRIMARY KEY CHECK (id > 0),
        at timestamptz(3) NOT NULL,
        event text NOT NULL,
        user_id uuid,
        node text NOT NULL,
        fields jsonb NOT NULL,
        prev_hash text NOT NULL,
        hash text NOT NULL
      )`);
    await runner.query('CREATE INDEX audit_log_user ON audit_log (user_id, id)');
    await runner.query('CREATE INDEX audit_log_event ON audit_log (event, id)');
    await runner.query('CREATE INDEX audit_log_at ON audit_log (at)');
    // One row: the newest link. A node locks it to append, so that two nodes cannot chain to the same row.
    await runner.query(`
      CREATE TABLE audit_head (
        singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
        id bigint NOT NULL,
        hash text NOT NULL
      )`);
    await runner.query('INSERT INTO audit_head (id, hash) VALUES (0, $1)', [GENESIS]);
    // What retention removed: everything up to and including row upto, to whose hash the next row is chained.
    await runner.query(`
      CREATE TABLE audit_anchor (
        upto bigint PRIMARY KEY,
        hash text NOT NULL,
        at timestamptz(3) NOT NULL
      )`);
    await this.makeAppendOnly(runner);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE audit_log, audit_head, audit_anchor');
    await runner.query('DROP FUNCTION audit_log_refuse');
    await runner.query(`
      CREATE TABLE audit_log (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at timestamptz NOT NULL,
        event text NOT NULL,
        user_id uuid,
        node text NOT NULL,
        fields jsonb NOT NULL
      )`);
    await runner.query('CREATE INDEX audit_log_user_at ON audit_log (user_id, at)');
  }

  /** Retention identifies itself with a transaction setting; nothing else may delete, and nothing may update. */
  private async makeAppendOnly(runner: QueryRunner): Promise<void> {
    await runner.query(`
      CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'DELETE' AND current_setting('admit_one.audit_retention', true) = 'on' THEN
          RETURN OLD;
        END IF;
        RAISE EXCEPTION 'audit_log only grows: % refused', TG_OP;
      END $$`);
    await runner.query(`
      CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE ON audit_log
      FOR EACH ROW EXECUTE FUNCTION audit_log_refuse()`);
    await runner.query(`
      CREATE TRIGGER audit_log_no_truncate BEFORE TRUNCATE ON audit_log
      FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse()`);
  }
}
