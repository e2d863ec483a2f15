import type { EngineProcess } from '../../scripts/engines/engine-process.js';
import type { ReplicatedRedis } from '../support/replicated-redis.js';
import type { Customer } from './customer.js';
import type { Fault } from './faults.js';
import type { Random } from './random.js';

/** Share of the customers who sign in while writes reach the master but not its replica. */
const NEWCOMERS = 0.1;

/** Deaths of a Redis master. The dead one is back as a replica before the next may strike. */
export function failovers(redis: ReplicatedRedis): Record<'plain' | 'forgetful', Fault> {
  let returning = Promise.resolve();
  const prepare = async (): Promise<void> => {
    await returning;
    await redis.whole();
  };
  const pickMaster = async (random: Random): Promise<EngineProcess> => random.pick(await redis.masters());
  const die = async (master: EngineProcess): Promise<void> => {
    await redis.failOver(master);
    returning = redis.revive(master);
    // A failure is reported by "prepare".
    returning.catch(() => undefined);
  };
  return {
    plain: {
      name: 'Redis master killed until its replica is it',
      forgets: true,
      prepare,
      strike: async (_fleet, random) => {
        await die(await pickMaster(random));
        return [];
      },
    },
    forgetful: {
      name: 'Redis master killed that no replica followed',
      forgets: true,
      prepare,
      strike: async (_fleet, random, customers) => {
        const master = await pickMaster(random);
        const follow = await redis.cutOff(master);
        await Promise.all(newcomers(customers, random).map((customer) => customer.signIn()));
        await die(master);
        await follow();
        return [];
      },
    },
  };
}

function newcomers(customers: readonly Customer[], random: Random): Customer[] {
  return customers.filter(() => random.next() < NEWCOMERS);
}
