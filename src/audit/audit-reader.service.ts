import { Injectable } from '@nestjs/common';
import { DatabaseService } from '../database/database.service.js';
import { AuditEntity } from './audit.entity.js';

export interface AuditFilter {
  /** Only rows with a smaller id. */
  beforeId: number | undefined;
  event: string | undefined;
  userId: string | undefined;
  after: Date | undefined;
  before: Date | undefined;
  limit: number;
}

/** A row as an administrator sees it. */
export interface AuditEntry {
  id: number;
  at: string;
  event: string;
  user_id: string | null;
  node: string;
  fields: Record<string, unknown>;
  hash: string;
}

@Injectable()
export class AuditReaderService {
  constructor(private readonly database: DatabaseService) {}

  /** Newest first, without the rows that still wait in the nodes' buffers. */
  async list({ beforeId, event, userId, after, before, limit }: AuditFilter): Promise<AuditEntry[]> {
    const rows = await this.database.run((dataSource) => {
      const query = dataSource.getRepository(AuditEntity).createQueryBuilder('row');
      if (beforeId !== undefined) query.andWhere('row.id < :beforeId', { beforeId });
      if (event !== undefined) query.andWhere('row.event = :event', { event });
      if (userId !== undefined) query.andWhere('row.userId = :userId', { userId });
      if (after !== undefined) query.andWhere('row.at > :after', { after });
      if (before !== undefined) query.andWhere('row.at < :before', { before });
      return query.orderBy('row.id', 'DESC').limit(limit).getMany();
    });
    return rows.map(({ id, at, userId: owner, event: name, node, fields, hash }) => ({
      id: Number(id),
      at: at.toISOString(),
      event: name,
      user_id: owner,
      node,
      fields,
      hash,
    }));
  }
}
