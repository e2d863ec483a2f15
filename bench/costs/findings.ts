import { percentile } from '../figures.js';
import type { ContenderName } from './contender.js';
import type { RowId } from './rows.js';

/** One measured value, in the unit of its row. */
export interface Finding {
  row: RowId;
  contender: ContenderName;
  value: number;
}

/** The durations of one step that clients took, in milliseconds. */
export interface Waits {
  step: string;
  contender: ContenderName;
  valuesMs: number[];
}

/** Everything that a run has found. */
export class Findings {
  readonly values: Finding[] = [];
  readonly waits: Waits[] = [];
  /** What went wrong, in words. */
  readonly faults: string[] = [];

  add(row: RowId, contender: ContenderName, value: number): void {
    this.values.push({ row, contender, value });
  }

  addWaits(step: string, contender: ContenderName, valuesMs: readonly number[]): void {
    const known = this.waits.find((waits) => waits.step === step && waits.contender === contender);
    if (known === undefined) this.waits.push({ step, contender, valuesMs: [...valuesMs] });
    else known.valuesMs.push(...valuesMs);
  }

  valuesOf(row: RowId, contender: ContenderName): number[] {
    return this.values
      .filter((each) => each.row === row && each.contender === contender)
      .map(({ value }) => value);
  }

  /** The median of all repetitions; undefined when there is none. */
  median(row: RowId, contender: ContenderName): number | undefined {
    const values = this.valuesOf(row, contender);
    return values.length === 0 ? undefined : percentile(values, 0.5);
  }

  /**
   * How much more a contender costs than another one: the median of the quotients of single repetitions. Those of the same
   * number were measured one after the other, on a machine that was the same for both.
   */
  ratio(row: RowId, contender: ContenderName, to: ContenderName): number | undefined {
    const others = this.valuesOf(row, to);
    const quotients = this.valuesOf(row, contender).flatMap((value, index) => {
      const other = others[index];
      return other === undefined ? [] : [value / other];
    });
    return quotients.length === 0 ? undefined : percentile(quotients, 0.5);
  }
}
