/** How much of everything a run does. */
export interface Sizes {
  /** Starts of each server. */
  rounds: number;
  /** Repetitions in a round, after a first one that warms up and does not count. */
  repeats: number;
  users: number;
  connects: number;
  tickets: number;
  refusals: number;
  frames: number;
  watchers: number;
  /** Tokens of an answer that many watch. */
  watchedTokens: number;
  /** Answers at once whose tokens are counted, and the tokens of each. */
  answers: number;
  tokens: number;
  /** People who ask at once. */
  askers: number;
  sends: number;
  /** Idle connections, which then drop at once; half as many come back. */
  crowd: number;
}

export const FULL: Sizes = {
  rounds: 2,
  repeats: 3,
  users: 1000,
  connects: 4000,
  tickets: 10_000,
  refusals: 4000,
  frames: 40_000,
  watchers: 1000,
  watchedTokens: 100,
  answers: 60,
  tokens: 500,
  askers: 200,
  sends: 300,
  crowd: 10_000,
};

export const QUICK: Sizes = {
  rounds: 1,
  repeats: 2,
  users: 300,
  connects: 1500,
  tickets: 3000,
  refusals: 1500,
  frames: 15_000,
  watchers: 1000,
  watchedTokens: 40,
  answers: 60,
  tokens: 100,
  askers: 200,
  sends: 100,
  crowd: 3000,
};
