import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { randomUUID } from 'node:crypto';
import { startCluster, type Cluster } from '../support/cluster.js';
import { as, aUser, createConversation } from '../support/user.js';
import { eventually } from '../support/waiting.js';
import { ChatBrowser } from './chat-browser.js';

/** The answer must last longer than a second node takes to start. */
const LAST = 1000;

let cluster: Cluster;
let browser: ChatBrowser;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1 });
  browser = await ChatBrowser.launch();
});

afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
});

test('the page shows how another node continues the same message when the writing node dies', async () => {
  const user = await aUser(cluster);
  const writer = cluster.node;
  const { id } = await createConversation(writer, user, 'Numbers');
  const body = { client_message_id: randomUUID(), content: `count to ${LAST}` };
  await as(user, 'POST', `${writer.url}/conversations/${id}/messages`, { body, expect: 202 });
  // While it is the only node, the first node takes the question.
  await eventually(async () => {
    const [run] = await cluster.sql<{ node: string | null }>('SELECT node FROM runs');
    return run?.node === writer.name;
  }, 'the first node to write');
  const reader = await cluster.addNode();

  const tab = await browser.tab(reader.url);
  await tab.signIn(user);
  await tab.connected();
  await tab.openConversation('Numbers');
  await tab.growth(2);
  await writer.kill();

  await tab.page.getByText(`Node ${writer.name} went away; ${reader.name} continued this answer.`).waitFor();
  const answer = await tab.wholeAnswer();
  const counted = answer.match(/\b\d+\b/g)?.map(Number) ?? [];
  expect(counted).toEqual(expect.arrayContaining(Array.from({ length: LAST }, (_, index) => index + 1)));
  expect(await tab.answers.count()).toBe(1);

  // The page has checked the text against the digest of the run; the row must hold the same text.
  const rows = await cluster.sql<{ content: string }>(
    "SELECT content FROM messages WHERE role = 'assistant'",
  );
  expect(rows.map((row) => row.content)).toEqual([answer]);
  expect(tab.faults).toEqual([]);
});
