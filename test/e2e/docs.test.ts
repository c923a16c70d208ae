import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { missingChromium, TestBrowser } from '../support/browser.ts';
import { createTestApp } from '../unit/http/in-memory.ts';

describe('/docs in a browser', { skip: missingChromium() }, () => {
  const { app } = createTestApp();
  after(async () => await app.close());

  it('shows every operation and tries one, without asking another host or breaking its own policy', async () => {
    const url = await app.listen({ host: '127.0.0.1', port: 0 });
    await using browser = await TestBrowser.launch();
    const { page, misdeeds } = await browser.open(`${url}/docs`);
    await page.waitForSelector('.opblock');
    assert.ok((await page.locator('.opblock').count()) > 10);
    await page.click('#operations-Data-listSeries .opblock-summary-control');
    await page.click('.try-out__btn');
    await page.click('.execute');
    const answer = page.locator('.live-responses-table tr.response');
    await answer.waitFor();
    assert.match(await answer.innerText(), /^200[^]*BTC\/USDT/);
    assert.deepEqual(misdeeds, []);
  });
});
