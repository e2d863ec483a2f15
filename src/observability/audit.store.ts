import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../database/database.service.js';

export interface AuditRow {
  at: Date;
  event: string;
  userId: string | undefined;
  node: string;
  fields: Record<string, unknown>;
}

@Injectable()
export class AuditStore {
  constructor(private readonly database: DatabaseService) {}

  /** Appends rows in one statement, in their order. */
  async append(rows: readonly AuditRow[]): Promise<void> {
    await this.database.run((dataSource) =>
      dataSource.query(
        `INSERT INTO audit_log (at, event, user_id, node, fields)
         SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::uuid[], $4::text[], $5::jsonb[])`,
        [
          rows.map((row) => row.at),
          rows.map((row) => row.event),
          rows.map((row) => row.userId ?? null),
          rows.map((row) => row.node),
          rows.map((row) => JSON.stringify(row.fields)),
        ],
      ),
    );
  }
}
