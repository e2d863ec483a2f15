import { chromium, type Browser, type Page, type ViewportSize } from 'playwright-core';
import { rememberSecret } from '../support/secrets.js';
import { WAIT_MS } from '../support/waiting.js';
import { ChatTab } from './chat-tab.js';

const WIDE: ViewportSize = { width: 1280, height: 800 };

/** Debian's Chromium in headless mode. Every tab has its own context, as if it were another device. */
export class ChatBrowser {
  private constructor(private readonly browser: Browser) {}

  static async launch(): Promise<ChatBrowser> {
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: [
        '--headless',
        // The suite also runs as root in a container, where Chromium's sandbox cannot start.
        '--no-sandbox',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
      ],
    });
    return new ChatBrowser(browser);
  }

  /** Opens a tab with the page of a node, or of a proxy in front of the nodes. */
  async tab(address: string, viewport = WIDE): Promise<ChatTab> {
    const context = await this.browser.newContext({ viewport, baseURL: address });
    context.setDefaultTimeout(WAIT_MS);
    const page = await context.newPage();
    rememberTickets(page);
    const tab = new ChatTab(page);
    await tab.page.goto('/');
    return tab;
  }

  close(): Promise<void> {
    return this.browser.close();
  }
}

/** Remembers the tickets that the page dials with, for the search of the logs at the end of the run. */
function rememberTickets(page: Page): void {
  page.on('websocket', (socket) => {
    const ticket = new URL(socket.url()).searchParams.get('ticket');
    if (ticket !== null) rememberSecret(ticket);
  });
}
