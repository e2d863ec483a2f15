import { percentile } from '../../figures.js';
import { askAll, dropAskers, openAskers, renewConversations } from './answers.js';
import { type Measure, ONE_NODE } from './measure.js';

const TOKENS = 50;

/** Everybody asks in one moment: how long until each sees the first words? */
export const firstWords: Measure = {
  name: 'words',
  plan: ONE_NODE,
  prepare: async (stage) => {
    const askers = await openAskers(stage, stage.sizes.askers);
    return {
      run: async () => {
        await renewConversations(stage, askers);
        const waitsMs = (await askAll(askers, TOKENS)).map(({ firstWordsMs }) => firstWordsMs);
        stage.addWaits('first words, all ask at once', waitsMs);
        stage.add('words-p50', percentile(waitsMs, 0.5));
        stage.add('words-p99', percentile(waitsMs, 0.99));
      },
      end: () => dropAskers(askers),
    };
  },
};
