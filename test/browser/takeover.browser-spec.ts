import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Front } from '../../scripts/front.js';
import type { NodePool } from '../../scripts/node.pool.js';
import { startCluster, type Cluster } from '../support/cluster.js';
import type { TestNode } from '../support/node.js';
import { register } from '../support/user.js';
import { ChatBrowser } from './chat-browser.js';

let cluster: Cluster;
let browser: ChatBrowser;
let front: Front;
let address: string;
let alive: TestNode[] = [];

beforeAll(async () => {
  const pool: Pick<NodePool, 'inTurn'> = { inTurn: () => alive.map((node) => node.port) };
  front = new Front(pool as NodePool);
  address = `http://127.0.0.1:${await front.listen('127.0.0.1', 0)}`;
  cluster = await startCluster({ env: { PUBLIC_URL: address, ALLOWED_ORIGINS: address } });
  alive = [...cluster.nodes];
  browser = await ChatBrowser.launch();
});

afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
  // What came through it has ended with the browser.
  front?.stopListening();
});

test('when the node that writes dies, another goes on in the same message before the eyes of the reader', async () => {
  const tab = await browser.tab(address);
  await tab.signIn(await register(cluster.node));
  await tab.connected();
  await tab.startConversation();
  await tab.ask('count to 150');
  await tab.growth(2);

  const [run] = await cluster.sql<{ node: string }>('SELECT node FROM runs');
  const writer = cluster.nodes.find((node) => node.name === run?.node);
  if (writer === undefined) throw new Error(`the run is written by ${run?.node}, which is not one of ours`);
  alive = alive.filter((node) => node !== writer);
  await writer.kill();

  await tab.page.getByText(`Node ${writer.name} went away`).waitFor();
  const answer = await tab.wholeAnswer();
  const counted = answer.match(/\b\d+\b/g)?.map(Number) ?? [];
  const oneTo150 = Array.from({ length: 150 }, (_, index) => index + 1);
  expect(counted).toEqual(expect.arrayContaining(oneTo150));
  expect(await tab.answers.count()).toBe(1);

  // The page has proved the text against the digest of the run; the row must say the same.
  const rows = await cluster.sql<{ content: string }>(
    "SELECT content FROM messages WHERE role = 'assistant'",
  );
  expect(rows.map((row) => row.content)).toEqual([answer]);
  expect(tab.faults).toEqual([]);
});
