import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { startCluster, type Cluster } from '../support/cluster.js';
import type { TestNode } from '../support/node.js';
import { register } from '../support/user.js';
import { ChatBrowser } from './chat-browser.js';
import type { ChatTab } from './chat-tab.js';

let cluster: Cluster;
let browser: ChatBrowser;
let tabs: ChatTab[] = [];

beforeAll(async () => {
  cluster = await startCluster();
  browser = await ChatBrowser.launch();
});

afterEach(async () => {
  expect(tabs.flatMap((tab) => tab.faults)).toEqual([]);
  for (const tab of tabs) await tab.page.context().close();
  tabs = [];
});

afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
});

interface Account {
  email: string;
  password: string;
}

async function aTab(node: TestNode, account: Account, width = 1280): Promise<ChatTab> {
  const tab = await browser.tab(node.url, { width, height: 800 });
  tabs.push(tab);
  await tab.signIn(account);
  await tab.connected();
  return tab;
}

test('the page shows an answer as it arrives, and again after a reload', async () => {
  const tab = await aTab(cluster.node, await register(cluster.node));
  await tab.startConversation();
  await tab.ask('What is a ticket?');
  const lengths = await tab.growth(3);
  const answer = await tab.wholeAnswer();
  expect(answer.length).toBeGreaterThan(lengths.at(-1) ?? 0);

  await tab.page.reload();
  await tab.connected();
  expect(await tab.wholeAnswer()).toBe(answer);
  expect(await tab.questions.allTextContents()).toEqual(['What is a ticket?']);
  expect(await tab.page.getByRole('heading', { level: 1 }).innerText()).toBe('What is a ticket?');
});

test('the page joins an answer in progress again after a reload', async () => {
  const tab = await aTab(cluster.node, await register(cluster.node));
  await tab.startConversation();
  await tab.ask('count to 80');
  await tab.growth(2);
  await tab.page.reload();
  await tab.connected();
  await tab.growth(2);
  const answer = await tab.wholeAnswer();
  expect(answer).toMatch(/\b1\b[\s\S]*\b40\b[\s\S]*\b80\b/);
});

test('two tabs on two nodes see the same answer grow', async () => {
  const account = await register(cluster.node);
  const first = await aTab(cluster.node, account);
  await first.startConversation();
  await first.ask('count to 300');
  await first.growth(1);
  const second = await aTab(cluster.other, account);
  await second.openConversation('count to 300');
  await second.growth(2);
  expect(await second.wholeAnswer()).toBe(await first.wholeAnswer());

  await second.ask('What is a receipt?');
  await first.questions.getByText('What is a receipt?').waitFor();
  expect(await first.wholeAnswer(2)).toBe(await second.wholeAnswer(2));
});

test('the stop button ends the answer where it is, also after a reload', async () => {
  const tab = await aTab(cluster.node, await register(cluster.node));
  await tab.startConversation();
  await tab.ask('count to 500');
  await tab.growth(2);
  await tab.page.getByRole('button', { name: 'Stop' }).click();
  await tab.page.getByText('Stopped.').waitFor();
  const stopped = await tab.answerText();
  expect(stopped).not.toContain('500');

  await tab.page.reload();
  await tab.page.getByText('Stopped.').waitFor();
  expect(await tab.answerText()).toBe(stopped);
});

test('the page shows tool calls as lines, also after a reload', async () => {
  const tab = await aTab(cluster.node, await register(cluster.node));
  await tab.startConversation();
  await tab.ask('What time is it?');
  const line = tab.page.locator('.tool-line');
  await line.filter({ hasText: /current_time.*→.*\d{4}-\d{2}-\d{2}/ }).waitFor();
  await tab.wholeAnswer();
  const text = await line.innerText();
  await tab.page.reload();
  await line.waitFor();
  expect(await line.innerText()).toBe(text);
});

test('the page renames and deletes a conversation', async () => {
  const tab = await aTab(cluster.node, await register(cluster.node));
  await tab.startConversation();
  const list = tab.page.getByRole('navigation');
  await list.getByRole('button', { name: 'Rename New conversation' }).click();
  await list.getByRole('textbox').fill('About tickets');
  await list.getByRole('textbox').press('Enter');
  await tab.page.getByRole('heading', { name: 'About tickets' }).waitFor();
  await list.getByRole('button', { name: 'Delete About tickets' }).click();
  await list.getByRole('button', { name: 'Delete', exact: true }).click();
  await tab.page.getByRole('heading', { name: 'No conversations yet' }).waitFor();
});

test('Shift+Enter adds a line break to the message, which is kept', async () => {
  const tab = await aTab(cluster.node, await register(cluster.node));
  await tab.startConversation();
  await tab.composer.fill('first');
  await tab.composer.press('Shift+Enter');
  await tab.composer.pressSequentially('second');
  await tab.composer.press('Enter');
  await tab.wholeAnswer();
  expect(await tab.questions.innerText()).toBe('first\nsecond');
});

test('the page does not send a message that is too long, and says by how much it is', async () => {
  const tab = await aTab(cluster.node, await register(cluster.node));
  await tab.startConversation();
  await tab.ask('x'.repeat(32_010));
  await tab.page.getByText('This one is 10 too long.').waitFor();
  expect(await tab.questions.count()).toBe(0);
});

test('the page reconnects when its node dies, and loses no message', async () => {
  const account = await register(cluster.node);
  const node = await cluster.addNode();
  const tab = await aTab(node, account);
  await tab.startConversation();
  await tab.ask('What is a session?');
  const answer = await tab.wholeAnswer();
  await node.kill();
  await tab.page.locator('.connection[data-state="waiting"]').waitFor();
  await tab.ask('Are you back?');
  await tab.page.getByText('sending…').waitFor();

  const { url } = node;
  await cluster.addNode({ PORT: String(node.port), PUBLIC_URL: url, ALLOWED_ORIGINS: url });
  await tab.page.getByRole('button', { name: 'Try now' }).click();
  await tab.connected();
  await tab.page.getByText('sending…').waitFor({ state: 'detached' });
  await tab.wholeAnswer(2);
  expect(await tab.questions.allTextContents()).toEqual(['What is a session?', 'Are you back?']);
  expect(await tab.wholeAnswer(1)).toBe(answer);
  expect(await tab.answers.count()).toBe(2);
});

test('the page never scrolls sideways in a narrow window', async () => {
  const tab = await aTab(cluster.node, await register(cluster.node), 390);
  expect(await tab.overflow()).toBe(0);
  await tab.startConversation();
  await tab.ask(`What is ${'averyveryverylongword'.repeat(20)}?`);
  await tab.wholeAnswer();
  expect(await tab.overflow()).toBe(0);

  await tab.page.getByRole('button', { name: 'Conversations' }).click();
  await tab.page.getByRole('button', { name: 'Sign out' }).waitFor();
  expect(await tab.overflow()).toBe(0);
  await tab.page.keyboard.press('Escape');
  await tab.page.getByRole('button', { name: 'Sign out' }).waitFor({ state: 'hidden' });
});
