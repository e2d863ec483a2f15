import type { Locator, Page } from 'playwright-core';
import { eventually } from '../support/waiting.js';

/** What a person does and sees on the chat page. */
export class ChatTab {
  /** Requests that the page's security policy blocked, and uncaught exceptions. */
  readonly faults: string[] = [];
  /** Sockets that the page has opened so far. */
  sockets = 0;

  constructor(readonly page: Page) {
    page.on('pageerror', (error) => this.faults.push(error.message));
    page.on('console', (message) => {
      if (message.text().includes('Content Security Policy')) this.faults.push(message.text());
    });
    page.on('websocket', () => (this.sockets += 1));
  }

  get composer(): Locator {
    return this.page.getByRole('textbox', { name: 'Message' });
  }

  get signInForm(): Locator {
    return this.page.getByRole('form', { name: 'Sign in' });
  }

  get questions(): Locator {
    return this.page.locator('article[data-role="user"] .text');
  }

  get answers(): Locator {
    return this.page.locator('article[data-role="assistant"] .text');
  }

  async signIn({ email, password }: { email: string; password: string }): Promise<void> {
    await this.page.getByLabel('E-mail').fill(email);
    await this.page.getByLabel('Password').fill(password);
    await this.signInForm.getByRole('button', { name: 'Sign in' }).click();
  }

  async connected(): Promise<void> {
    await this.page.locator('.connection[data-state="open"]').waitFor();
  }

  async startConversation(): Promise<void> {
    await this.page.getByRole('main').getByRole('button', { name: 'New conversation' }).click();
    await this.composer.waitFor();
  }

  async ask(question: string): Promise<void> {
    await this.composer.fill(question);
    await this.composer.press('Enter');
  }

  async openConversation(title: string): Promise<void> {
    await this.page.getByRole('navigation').getByRole('button', { name: title, exact: true }).click();
  }

  /** Waits until the last answer has grown `steps` times, and returns its lengths. */
  async growth(steps: number): Promise<number[]> {
    const lengths: number[] = [];
    while (lengths.length < steps) {
      const longer = await eventually(
        async () => {
          const { length } = await this.answerText();
          return length > (lengths.at(-1) ?? 0) && length;
        },
        `an answer longer than ${lengths.at(-1) ?? 0} characters`,
      );
      lengths.push(longer);
    }
    return lengths;
  }

  async answerText(): Promise<string> {
    const texts = await this.page
      .locator('article[data-role="assistant"] .text:not(:has(.waiting-text))')
      .allTextContents();
    return texts.at(-1) ?? '';
  }

  /** The text of the nth answer, counted from 1, once it is complete. */
  async wholeAnswer(number = 1): Promise<string> {
    const answer = this.page.locator('article[data-role="assistant"]').nth(number - 1);
    await answer.and(this.page.locator('[data-status="complete"]')).waitFor({ timeout: 60_000 });
    return answer.locator('.text').innerText();
  }

  /** Pixels by which the page is wider than its window. */
  overflow(): Promise<number> {
    return this.page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      return scrollWidth - clientWidth;
    });
  }
}
