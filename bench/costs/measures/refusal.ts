import { randomBytes } from 'node:crypto';
import { inParallel } from '../../figures.js';
import type { Stage } from '../stage.js';
import { type Measure, nothingToClose, ONE_NODE } from './measure.js';

const AT_ONCE = 200;
const LIMIT_MS = 30_000;

/** Tickets of the right form that nobody has issued: each upgrade must be refused. */
export const refusal: Measure = {
  name: 'refusal',
  plan: ONE_NODE,
  prepare: async (stage) => {
    const { refusals } = stage.sizes;
    const indexes = Array.from({ length: refusals }, (_, index) => index);
    const knockAll = () => inParallel(indexes, AT_ONCE, (index) => knock(stage, index));
    return {
      run: async () => stage.add('refusal', ((await stage.cost(knockAll)) * 1000) / refusals),
      end: nothingToClose,
    };
  },
};

async function knock(stage: Stage, index: number): Promise<void> {
  const { refusal: expected } = stage.server.dialect;
  const socket = stage.dial(randomBytes(32).toString('base64url'), index);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('an upgrade was not answered')), LIMIT_MS);
    socket.onEnd = (reason) => {
      clearTimeout(timer);
      if (reason === expected) resolve();
      else reject(new Error(`a garbage ticket was answered with ${reason}, not with ${expected}`));
    };
  });
}
