import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { join } from 'node:path';
import { currentRun } from '../../scripts/testing/test-run.js';
import { startCluster, type Cluster } from '../support/cluster.js';
import { metric } from '../support/metrics.js';
import { as, register } from '../support/user.js';
import { eventually } from '../support/waiting.js';
import { ChatBrowser } from './chat-browser.js';
import type { ChatTab } from './chat-tab.js';
import { buildForDevelopment, serveScriptsFrom } from './development-build.js';

let cluster: Cluster;
let browser: ChatBrowser;
let tab: ChatTab | undefined;

beforeAll(async () => {
  cluster = await startCluster({ nodes: 1 });
  browser = await ChatBrowser.launch();
});

afterEach(async () => {
  expect(tab?.faults ?? []).toEqual([]);
  await tab?.page.context().close();
  tab = undefined;
});

afterAll(async () => {
  await browser?.close();
  await cluster?.stop();
});

async function aSignedInTab(): Promise<ChatTab> {
  tab = await browser.tab(cluster.node.url);
  await tab.signIn(await register(cluster.node));
  await tab.connected();
  return tab;
}

test('the page says that a password is wrong, and opens no socket', async () => {
  const { email } = await register(cluster.node);
  tab = await browser.tab(cluster.node.url);
  await tab.signIn({ email, password: 'not the password' });
  await tab.page.getByText('The e-mail address or the password is wrong.').waitFor();
  expect(tab.sockets).toBe(0);
});

test('the page shows nothing of the chat before the sign-in', async () => {
  tab = await browser.tab(cluster.node.url);
  await tab.signInForm.waitFor();
  expect(await tab.page.locator('.chat').count()).toBe(0);
  expect(tab.sockets).toBe(0);
});

test('the page connects once, and shows its node and its responder', async () => {
  const { page, sockets } = await aSignedInTab();
  expect(await page.locator('.connection').innerText()).toMatch(/^Connected to node \S/);
  expect(await page.locator('.responder').innerText()).toContain(
    'built-in demo responder, not a language model',
  );
  expect(sockets).toBe(1);
});

test('the page connects once for each sign-in when React mounts everything twice', async () => {
  const folder = join(currentRun().data, 'development-page');
  await buildForDevelopment(folder);
  tab = await browser.tab(cluster.node.url);
  await serveScriptsFrom(tab.page, folder);
  await tab.page.goto('/');
  const user = await register(cluster.node);
  await tab.signIn(user);
  await tab.connected();
  expect(tab.sockets).toBe(1);
  await tab.page.getByRole('button', { name: 'Sign out' }).click();
  await tab.signInForm.waitFor();
  await tab.signIn(user);
  await tab.connected();
  expect(tab.sockets).toBe(2);
  await eventually(
    async () => (await metric(cluster.node, 'chat_ws_connections')) === 1,
    'the end of the socket from before',
  );
});

test('the page stays signed in after a reload, with one call to the server', async () => {
  const { page } = await aSignedInTab();
  const calls: string[] = [];
  page.on('request', (request) => {
    const { pathname } = new URL(request.url());
    if (pathname.startsWith('/auth/')) calls.push(pathname);
  });
  await page.reload();
  await tab?.connected();
  expect(calls).toEqual(['/auth/refresh']);
});

test('signing out closes the chat, empties the storage and ends the session', async () => {
  const { page, signInForm } = await aSignedInTab();
  const minted = page.waitForRequest('**/websocket/ticket');
  await page.reload();
  const token = (await (await minted).allHeaders()).authorization?.replace('Bearer ', '') ?? '';
  await tab?.connected();
  const left = page.waitForResponse('**/auth/logout');
  await page.getByRole('button', { name: 'Sign out' }).click();
  await signInForm.waitFor();
  expect((await left).status()).toBe(204);
  expect(await page.evaluate(() => sessionStorage.length)).toBe(0);
  expect(await page.locator('.banner').count()).toBe(0);
  const answer = await as({ accessToken: token }, 'GET', `${cluster.node.url}/auth/me`);
  expect(answer.status).toBe(401);
});

test('the page shows the sign-in form with the reason when the session ends elsewhere', async () => {
  const { page, signInForm } = await aSignedInTab();
  const minted = page.waitForRequest('**/websocket/ticket');
  await page.reload();
  const token = (await (await minted).allHeaders()).authorization?.replace('Bearer ', '') ?? '';
  await tab?.connected();
  await as({ accessToken: token }, 'POST', `${cluster.node.url}/auth/logout`, { expect: 204 });
  await signInForm.waitFor();
  expect(await page.locator('.banner').innerText()).toContain('Your session was ended');
});
