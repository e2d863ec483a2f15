import { percentile } from '../../figures.js';
import { askAll, dropAskers, openAskers } from './answers.js';
import { type Measure, ONE_NODE } from './measure.js';

const AT_ONCE = 50;

/** From a question until it is stored and acknowledged, alone and with others. The peers store nothing. */
export const accepted: Measure = {
  name: 'accepted',
  plan: ONE_NODE,
  only: 'product',
  prepare: async (stage) => {
    const { sends } = stage.sizes;
    const askers = await openAskers(stage, AT_ONCE);
    return {
      run: async () => {
        const alone: number[] = [];
        for (let sent = 0; sent < sends / 2; sent++) {
          const [heard] = await askAll(askers.slice(sent % AT_ONCE, (sent % AT_ONCE) + 1), 1);
          if (heard !== undefined) alone.push(heard.acceptedMs);
        }
        const together: number[] = [];
        while (together.length < sends) {
          together.push(...(await askAll(askers, 1)).map(({ acceptedMs }) => acceptedMs));
        }
        stage.addWaits('message.send to message.accepted, alone', alone);
        stage.addWaits('message.send to message.accepted, 50 at once', together);
        stage.add('accepted-p50', percentile(alone, 0.5));
        stage.add('accepted-p99', percentile(alone, 0.99));
        stage.add('accepted-50-p50', percentile(together, 0.5));
        stage.add('accepted-50-p99', percentile(together, 0.99));
      },
      end: () => dropAskers(askers),
    };
  },
};
