import type { LeanSocket } from '../lean-socket.js';
import { redisCpuMs } from '../process-cost.js';
import { dropAll } from '../stage.js';
import { type Measure, nothingToClose, ONE_NODE } from './measure.js';

/** Tickets, upgrades and `ready` by the thousand, then all of them drop in one moment. */
export const connect: Measure = {
  name: 'connect',
  plan: ONE_NODE,
  prepare: async (stage) => ({
    run: async () => {
      const { connects } = stage.sizes;
      let open: LeanSocket[] = [];
      const beforeMs = await redisCpuMs(stage.redisUrl);
      const openMs = await stage.cost(async () => (open = await stage.open(connects)));
      stage.add('connect-redis', (((await redisCpuMs(stage.redisUrl)) - beforeMs) * 1000) / connects);
      const closeMs = await stage.cost(async () => dropAll(open));
      stage.add('connect', openMs / connects);
      stage.add('close', (closeMs * 1000) / connects);
    },
    end: nothingToClose,
  }),
};
