import { accessSync, constants } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { PATIENCE_MS } from './patience.ts';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Where a Chromium is: CHROMIUM, or where distributions put it; null where there is none. */
export function findChromium(): string | null {
  const named = process.env['CHROMIUM'];
  const isThere = (path: string) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  };
  return (named === undefined || named === '' ? PLACES : [named]).find(isThere) ?? null;
}

/** Why tests that need a browser do not run; false where they do. */
export function missingChromium(): string | false {
  return findChromium() === null && 'no Chromium: apt-get install chromium, or name one in CHROMIUM';
}

/** What a page did that it must not do, told as it happens. */
export interface WatchedPage {
  readonly page: Page;
  /** Uncaught errors, refusals of the page's own policy, and requests to any other host. */
  readonly misdeeds: string[];
}

/** A real browser; `await using` closes it. */
export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  static async launch(): Promise<TestBrowser> {
    const executablePath = findChromium();
    if (executablePath === null) throw new Error('no Chromium is installed');
    // Without its own sandbox it runs as root and in containers too; it sees our own pages only.
    return new TestBrowser(await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu'] }));
  }

  async open(url: string, options: BrowserContextOptions = {}): Promise<WatchedPage> {
    const context = await this.#browser.newContext({ viewport: { width: 1440, height: 1000 }, ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    const misdeeds: string[] = [];
    const { origin } = new URL(url);
    page.on('pageerror', (error) => misdeeds.push(`uncaught: ${error.message}`));
    page.on('request', (request) => {
      if (new URL(request.url()).origin !== origin) misdeeds.push(`asked ${request.url()}`);
    });
    page.on('console', (message) => {
      if (/content security policy|trusted ?types?|refused to/i.test(message.text())) misdeeds.push(message.text());
    });
    await page.goto(url);
    return { page, misdeeds };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}
