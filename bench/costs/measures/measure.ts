import type { ContenderName, ServerPlan } from '../contender.js';
import type { Stage } from '../stage.js';

/** One thing that is measured of each contender, under the name that `--only` takes. */
export interface Measure {
  name: string;
  plan: ServerPlan;
  /** Default: all. */
  only?: ContenderName;
  /** It takes long and warms itself up: done once in a round. */
  isDoneOnce?: boolean;
  /** Opens what all repetitions need. */
  prepare(stage: Stage): Promise<Trial>;
}

/** A measure of one contender, ready to be repeated. */
export interface Trial {
  /** Measures once, and adds to the findings of the stage. */
  run(): Promise<void>;
  /** Closes what was opened. */
  end(): void;
}

export const ONE_NODE: ServerPlan = { nodes: 1 };
export const TWO_NODES: ServerPlan = { nodes: 2 };
export const INSPECTED: ServerPlan = { nodes: 1, isInspected: true };

export function nothingToClose(): void {
  // For trials that close what they open each time.
}
