import { type ChainedRow, type ChainLink, hashOf } from './audit-chain.js';

export interface ChainFault {
  kind: 'altered' | 'removed' | 'inserted';
  /** The first row that differs from what was written. */
  id: number;
}

/**
 * Checks a chain from its start to its expected end, row by row in the order of their numbers. Only the first fault is
 * reported: the rows after it cannot be judged.
 */
export class ChainCheck {
  private beforeLast: ChainLink | undefined;
  private last: ChainLink;

  /**
   * @param start the link before the first row: genesis, or the anchor that retention left.
   * @param head the newest link, from `audit_head`.
   */
  constructor(
    start: ChainLink,
    private readonly head: ChainLink,
  ) {
    this.last = start;
  }

  /** @param next the row after it; it tells an inserted row from a changed one. */
  take(row: ChainedRow, next: ChainedRow | undefined): ChainFault | undefined {
    const fault = this.faultOf(row, next);
    this.beforeLast = this.last;
    this.last = { id: row.id, hash: row.hash };
    return fault;
  }

  /** To be called after the last row: checks that the chain ends at the head. */
  end(): ChainFault | undefined {
    if (this.last.id < this.head.id) return { kind: 'removed', id: this.last.id + 1 };
    return this.last.hash === this.head.hash ? undefined : { kind: 'altered', id: this.last.id };
  }

  private faultOf(row: ChainedRow, next: ChainedRow | undefined): ChainFault | undefined {
    const { last } = this;
    const isForeign = row.id <= last.id || row.id > this.head.id || next?.prev_hash === last.hash;
    if (isForeign) return { kind: 'inserted', id: row.id };
    if (row.id !== last.id + 1) return { kind: 'removed', id: last.id + 1 };
    const isWhole = hashOf(row) === row.hash;
    if (isWhole && row.prev_hash === last.hash) return undefined;
    // This row is unchanged but chained to another row than the previous one: the previous one was replaced.
    if (isWhole && this.beforeLast !== undefined) return { kind: 'altered', id: last.id };
    // The row was renumbered, to close a gap or to make room.
    if (hashOf({ ...row, id: row.id + 1 }) === row.hash) return { kind: 'removed', id: row.id };
    if (hashOf({ ...row, id: row.id - 1 }) === row.hash) return { kind: 'inserted', id: last.id };
    return { kind: 'altered', id: row.id };
  }
}
