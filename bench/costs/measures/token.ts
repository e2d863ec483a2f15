import { askAll, dropAskers, openAskers, renewConversations } from './answers.js';
import { type Measure, ONE_NODE } from './measure.js';

/** People do not ask in the same millisecond. */
const SPREAD_MS = 100;
const WARM_UP_TOKENS = 50;

/** Answers that a model writes at 50 tokens a second each, every one to its own reader. */
export const token: Measure = {
  name: 'token',
  plan: ONE_NODE,
  prepare: async (stage) => {
    const { answers } = stage.sizes;
    const askers = await openAskers(stage, answers);
    return {
      run: async () => {
        const tokens = stage.isWarmingUp ? WARM_UP_TOKENS : stage.sizes.tokens;
        await renewConversations(stage, askers);
        const spentMs = await stage.cost(() =>
          askAll(askers, tokens, (index) => (index * SPREAD_MS) / answers),
        );
        stage.add('token', (spentMs * 1000) / (answers * tokens));
      },
      end: () => dropAskers(askers),
    };
  },
};
