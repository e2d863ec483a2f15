import { type ChainedRow, type ChainLink, hashOf } from './audit-chain.js';

export interface ChainFault {
  kind: 'altered' | 'removed' | 'inserted';
  /** The first row that is not as it was written. */
  id: number;
}

/**
 * Follows a chain from where it begins to where it must end, row by row in the order of their numbers. The first fault
 * is the answer: after it nothing can be said about the rest.
 */
export class ChainCheck {
  private beforeLast: ChainLink | undefined;
  private last: ChainLink;

  /**
   * @param start the row before the first one: genesis, or what retention left behind.
   * @param head the newest row, as the writers know it.
   */
  constructor(
    start: ChainLink,
    private readonly head: ChainLink,
  ) {
    this.last = start;
  }

  /** @param next the row after it, which tells a row that was put between two others from one that was changed. */
  take(row: ChainedRow, next: ChainedRow | undefined): ChainFault | undefined {
    const fault = this.faultOf(row, next);
    this.beforeLast = this.last;
    this.last = { id: row.id, hash: row.hash };
    return fault;
  }

  /** After the last row: whether the end is where it was. */
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
    // A whole row that is chained to something else than what stands before it: the one before was exchanged.
    if (isWhole && this.beforeLast !== undefined) return { kind: 'altered', id: last.id };
    // Rows that were given other numbers, to close a gap or to make room.
    if (hashOf({ ...row, id: row.id + 1 }) === row.hash) return { kind: 'removed', id: row.id };
    if (hashOf({ ...row, id: row.id - 1 }) === row.hash) return { kind: 'inserted', id: last.id };
    return { kind: 'altered', id: row.id };
  }
}
