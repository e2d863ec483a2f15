import { hash } from '@node-rs/argon2';
import { createAccounts, PASSWORD } from '../bench-cluster.js';
import { signIn } from '../bench-client.js';
import { inParallel } from '../figures.js';
import { type Ground, startContender } from './contender.js';
import type { Account } from './stage.js';

/** The least that argon2 allows: a run is not about passwords. The server takes the parameters from the hash. */
const CHEAP = { memoryCost: 8, timeCost: 1, parallelism: 1 };
const AT_ONCE = 4;

/** Creates users and signs each in at the product. The peers accept the same tokens and read the same sessions. */
export async function signInAll(ground: Ground, count: number): Promise<Account[]> {
  const product = await startContender(ground, 'product', { nodes: 1 });
  const [port = 0] = product.ports;
  const emails = await createAccounts(ground.engines, count, await hash(PASSWORD, CHEAP));
  const accounts = await inParallel(emails, AT_ONCE, async (email) => ({
    accessToken: (await signIn(port, email)).access_token,
  }));
  await product.stop();
  return accounts;
}
