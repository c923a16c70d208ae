import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Page } from 'playwright-core';
import { inventMarkets } from '../../simulator/symbol-catalogue.ts';
import { missingChromium, TestBrowser } from '../support/browser.ts';
import { ExchangeStage } from '../support/exchange-stage.ts';
import { atPort, findFreePort, LoopbackProxy } from '../support/loopback-proxy.ts';
import { PATIENCE_MS, waitUntil } from '../support/patience.ts';
import { createTestDatabase } from '../support/postgres.ts';
import { startService } from '../support/service-process.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const SYMBOLS = ['BTC/USDT', 'ETH/USDT'];

/** Waits until the element holds the text. */
async function waitForText(page: Page, selector: string, text: RegExp, timeout = PATIENCE_MS): Promise<void> {
  try {
    await page.locator(selector).filter({ hasText: text }).first().waitFor({ timeout });
  } catch (error) {
    const shown = await page.locator('body').innerText();
    throw new Error(`${selector} never held ${String(text)}; the page shows:\n${shown}`, { cause: error });
  }
}

/** Sees to it that nothing is cut off at any of the widths: neither the page nor the table scrolls sideways. */
async function assertFits(page: Page): Promise<void> {
  for (const width of [320, 390, 1100, 1280]) {
    await page.setViewportSize({ width, height: 844 });
    const [beyondPage, beyondTable] = await page.evaluate<[number, number]>(`(() => {
      const table = document.getElementById('series-scroll');
      return [document.documentElement.scrollWidth - innerWidth, table.scrollWidth - table.clientWidth];
    })()`);
    assert.ok(beyondPage <= 0, `the page of ${width} px is ${beyondPage} px too wide`);
    assert.ok(beyondTable <= 0, `the table in the page of ${width} px is ${beyondTable} px too wide`);
  }
}

/** Keeps a picture where SCREENSHOTS names a folder, for a person to look at. */
async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS'];
  if (folder === undefined || folder === '') return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}

/** How many pixels of the chart have the colour of a hole that is missing, on either theme. */
async function countHolePixels(page: Page): Promise<number> {
  return await page.evaluate<number>(`(() => {
    let count = 0;
    for (const canvas of document.querySelectorAll('#chart canvas')) {
      const { width, height } = canvas;
      if (width === 0 || height === 0) continue;
      const { data } = canvas.getContext('2d').getImageData(0, 0, width, height);
      for (let at = 0; at < data.length; at += 4) {
        const [red, green, blue, opacity] = data.subarray(at, at + 4);
        if (opacity > 200 && red > 220 && green > 190 && green < 240 && red - blue > 25 && green - blue > 12) count++;
      }
    }
    return count;
  })()`);
}

/** What is drawn comes with one of the next frames. */
async function waitForHolePixels(page: Page, isRight: (count: number) => boolean, fault: string): Promise<void> {
  let count = 0;
  await waitUntil(
    async () => isRight((count = await countHolePixels(page))),
    () => `${fault}: ${count} pixels`,
  );
}

const openChart = async (page: Page, key: string) => {
  await page.locator(`#series-rows tr[data-key="${key}"]`).click();
  await page.locator(`#series-rows tr[data-key="${key}"][aria-selected=true]`).waitFor();
  await waitForText(page, '#chart-title', new RegExp(key.split(' ')[1] ?? ''));
  await waitForText(page, '#chart-foot', /candles loaded/);
};

describe('the page in a browser', { skip: missingChromium(), concurrency: 2 }, () => {
  it('shows a gap, a candle that arrives, deferred steps, both themes and a narrow window', async () => {
    await using database = await createTestDatabase();
    // Its minute ends twenty seconds after the start, and ours lies at most a minute ahead of it.
    const nowMs = Math.floor(Date.now() / MINUTE_MS) * MINUTE_MS - 20_000;
    await using stage = await ExchangeStage.open({ symbols: SYMBOLS, nowMs });
    const fromMs = Math.floor(nowMs / HOUR_MS) * HOUR_MS - 3 * HOUR_MS;
    // Twenty minutes of one market that the exchange keeps back.
    const gap = { since: fromMs + HOUR_MS + 10 * MINUTE_MS, until: fromMs + HOUR_MS + 30 * MINUTE_MS };
    stage.intercept = ({ path, query }) =>
      path.endsWith('/klines') && query.get('symbol') === 'ETHUSDT'
        ? {
            rewrite: (rows) =>
              Array.isArray(rows)
                ? rows.filter((row: unknown) => {
                    const openMs = Array.isArray(row) ? Number(row[0]) : Number.NaN;
                    return !(openMs >= gap.since && openMs < gap.until);
                  })
                : rows,
          }
        : undefined;
    await using service = startService({
      ...stage.environment({ symbols: SYMBOLS, timeframes: '1m', fromMs }),
      DATABASE_URL: database.url,
      // However slow the run, what is kept back stays missing until it was looked at.
      CONFIRM_EMPTY_AFTER_S: '3600',
    });
    await using browser = await TestBrowser.launch();
    // Opened while it still starts: the page finds out by itself.
    const { page, misdeeds } = await browser.open(await service.url(), { colorScheme: 'light' });
    await waitForText(page, '#verdict-title', /All is well|not all is well/);
    await waitForText(page, '#series-rows', /BTC\/USDT.*ETH\/USDT/s);
    await waitForText(page, '#link', /live/);

    await openChart(page, 'binance BTC/USDT 1m');
    await waitForText(page, '#chart-foot', /no gap in them/);
    await waitForHolePixels(page, (count) => count === 0, 'a gap is drawn where there is none');
    await openChart(page, 'binance ETH/USDT 1m');
    await waitForText(page, '#gaps', /ETH\/USDT.*20/s);
    await waitForText(page, '#chart-foot', /20 missing/);
    await page.locator('#gaps button').first().click();
    await waitForHolePixels(page, (count) => count > 2000, 'the gap is not drawn');
    // It lies near enough to the newest candle that the chart goes on following.
    assert.doesNotMatch(await page.locator('#chart-foot').innerText(), /stretch of the past/);
    await keepPicture(page, 'gap-light');
    const eth = page.locator('#series-rows tr[data-key="binance ETH/USDT 1m"]');
    assert.match(await eth.innerText(), /\d\d\.\d\d %/);

    // A candle that is stored while we look is on the chart and in the table.
    await openChart(page, 'binance BTC/USDT 1m');
    const newest = async () => /– (.*)/.exec(await page.locator('#chart-foot').innerText())?.[1] ?? '';
    const before = await newest();
    // The minute itself, and as long as every wait.
    const patienceMs = MINUTE_MS + PATIENCE_MS;
    await waitUntil(async () => (await newest()) !== before, `no candle followed that of ${before}`, patienceMs);
    const candles = stage.listTruth('BTC/USDT', '1m', fromMs);
    const [openMs, , , , close] = candles.at(-1)!;
    assert.equal(await newest(), new Date(openMs).toISOString().slice(0, 16).replace('T', ' '));
    const cell = page.locator('#series-rows tr[data-key="binance BTC/USDT 1m"] .close');
    const shown = Number(close).toLocaleString('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 8 });
    await cell.filter({ hasText: shown }).waitFor();
    assert.match(await page.locator('#chart-legends').innerText(), new RegExp(shown.replaceAll('.', '\\.')));

    // What is deferred stands there with its reason and its remedy.
    const { schema } = await service.health();
    const told = await page.locator('#schema').innerText();
    assert.ok(told.includes(schema!.version!));
    for (const { step, reason, remedy } of schema!.deferred)
      for (const text of [step, reason, remedy]) assert.ok(told.includes(text), `${text} is not told in\n${told}`);
    assert.equal(told.includes('Nothing is deferred'), schema!.deferred.length === 0);
    await keepPicture(page, 'live-light');

    // The keyboard alone: filter, walk, open, and change the colours.
    await page.keyboard.press('/');
    await page.keyboard.type('eth');
    assert.equal(await page.locator('#series-rows tr').count(), 1);
    await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    await waitForText(page, '#chart-title', /ETH\/USDT/);
    // Escape clears from a row and from the field, keeps the focus there, and then leaves the field for the rows.
    const focused = () =>
      page.evaluate<string>('document.activeElement.id || document.activeElement.dataset.key || "nothing"');
    await page.keyboard.press('Escape');
    assert.equal(await page.locator('#series-rows tr').count(), 2);
    assert.equal(await focused(), 'binance ETH/USDT 1m');
    await page.keyboard.press('/');
    await page.keyboard.type('btc');
    assert.equal(await page.locator('#series-rows tr').count(), 1);
    await page.keyboard.press('Escape');
    assert.deepEqual([await page.locator('#filter').inputValue(), await focused()], ['', 'filter']);
    assert.equal(await page.locator('#series-rows tr').count(), 2);
    await page.keyboard.press('Escape');
    assert.equal(await focused(), 'binance ETH/USDT 1m');

    const background = () => page.evaluate<string>('getComputedStyle(document.documentElement).backgroundColor');
    const lightBackground = await background();
    await page.keyboard.press('t');
    await page.keyboard.press('t');
    assert.equal(await page.locator('#theme-name').innerText(), 'dark');
    assert.notEqual(await background(), lightBackground);
    // Painted with the next frame; any one pixel may be of a candle, half of them are not.
    const canvasTone = () =>
      page.evaluate<number>(
        `(() => {
          const { width, height } = document.querySelector('#chart canvas');
          const { data } = document.querySelector('#chart canvas').getContext('2d').getImageData(0, 0, width, height);
          const reds = data.filter((_, at) => at % 4 === 0).sort();
          return reds[reds.length >> 1];
        })()`,
      );
    await waitUntil(async () => (await canvasTone()) < 60, 'the chart takes the dark colours');
    await page.reload();
    assert.equal(await page.locator('#theme-name').innerText(), 'dark');
    await waitForText(page, '#series-rows', /BTC\/USDT/);
    await openChart(page, 'binance BTC/USDT 1m');
    await keepPicture(page, 'live-dark');

    assert.equal(await page.locator('[aria-live] #verdict-facts').count(), 0, 'the uptime would be read out for ever');

    // The last column sorts; what is largest comes first.
    await page.getByRole('button', { name: 'Last close' }).click();
    assert.match(await page.locator('#series-rows tr').first().innerText(), /BTC/);
    await page.getByRole('button', { name: 'Last close' }).click();
    assert.match(await page.locator('#series-rows tr').first().innerText(), /ETH/);

    // An address that names no series is told and put right, later on as at the start.
    for (const isLoadedAnew of [false, true]) {
      await page.evaluate("location.hash = '#binance%20NONE%2FUSDT%201m'");
      if (isLoadedAnew) {
        await page.evaluate("history.replaceState(null, '', '#binance%20NONE%2FUSDT%201m')");
        await page.reload();
      }
      await waitForText(page, '#address-note', /No series “binance NONE\/USDT 1m” is kept here/);
      assert.doesNotMatch(page.url(), /NONE/);
    }
    await openChart(page, 'binance ETH/USDT 1m');
    assert.equal(await page.locator('#address-note').isVisible(), false);
    await assertFits(page);
    await page.setViewportSize({ width: 390, height: 844 });
    for (const part of ['#verdict', '#tiles', '#series-rows', '#chart', '#schema'])
      assert.ok(await page.locator(part).isVisible(), `${part} is not there in a narrow window`);
    await keepPicture(page, 'narrow-dark');
    assert.deepEqual(misdeeds, []);
  });

  it('has room for many series, a finger to scroll by, keys that read candles, and any day of the past', async () => {
    await using database = await createTestDatabase();
    const markets = inventMarkets(60);
    const symbols = markets.map(({ symbol }) => symbol);
    await using stage = await ExchangeStage.open({ markets });
    // Long enough that the newest candles are not loaded with those of the first day.
    const fromMs = Math.floor(stage.now() / HOUR_MS) * HOUR_MS - 60 * 24 * HOUR_MS;
    await using service = startService({
      ...stage.environment({ symbols, timeframes: '1h', fromMs }),
      DATABASE_URL: database.url,
    });
    await service.waitFor(({ phase, ingest }) => phase === 'running' && ingest.complete === 60);
    await using browser = await TestBrowser.launch();
    const { page, misdeeds } = await browser.open(await service.url(), {
      viewport: { width: 390, height: 800 },
      hasTouch: true,
    });
    await waitForText(page, '#series-count', /60/);
    await waitForText(page, '#chart-foot', /60[01] candles/);
    for (const width of [390, 1024, 1440]) {
      await page.setViewportSize({ width, height: 800 });
      const emptyPx = await page.evaluate<number>(
        'document.documentElement.scrollHeight - scrollY - document.querySelector("footer").getBoundingClientRect().bottom',
      );
      assert.ok(emptyPx <= 1, `${emptyPx} px of nothing below the page of ${width} px`);
    }
    await page.setViewportSize({ width: 390, height: 800 });

    // Each has its last close, also those that nobody has scrolled to, and what is sorted to the top is shown.
    await page.evaluate('document.getElementById("series-scroll").scrollTop = 2000');
    await page.getByRole('button', { name: 'Last close' }).click();
    const closes = (await page.locator('#series-rows .close').allInnerTexts()).map((text) =>
      Number(text.replaceAll(',', '')),
    );
    assert.deepEqual([closes.length, closes.filter(Number.isNaN).length], [60, 0]);
    assert.deepEqual(
      closes,
      closes.toSorted((a, b) => b - a),
    );
    assert.equal(await page.evaluate('document.getElementById("series-scroll").scrollTop'), 0);

    // A finger that goes up scrolls the page, wherever it begins.
    const touch = await page.context().newCDPSession(page);
    const swipe = async (selector: string) => {
      await page.locator(selector).scrollIntoViewIfNeeded();
      const before = await page.evaluate<number>('scrollY');
      const box = await page.locator(selector).boundingBox();
      assert.ok(box);
      const x = Math.round(box.x + box.width / 2);
      const start = Math.round(Math.min(box.y + box.height, 800) - 20);
      await touch.send('Input.dispatchTouchEvent', { type: 'touchStart', touchPoints: [{ x, y: start }] });
      for (let step = 1; step <= 10; step++)
        await touch.send('Input.dispatchTouchEvent', { type: 'touchMove', touchPoints: [{ x, y: start - step * 20 }] });
      await touch.send('Input.dispatchTouchEvent', { type: 'touchEnd', touchPoints: [] });
      // It goes on gliding for a while.
      const moved = async () => (await page.evaluate<number>('scrollY')) - before;
      await waitUntil(async () => (await moved()) > 50, `${selector} keeps a finger from scrolling the page`);
    };
    await page.evaluate('scrollTo(0, 0)');
    await swipe('#chart');

    // The keys read the chart candle by candle, and the frame around it is seen.
    await page.setViewportSize({ width: 1280, height: 900 });
    const key = `binance ${symbols[0] ?? ''} 1h`;
    await page.evaluate(`location.hash = ${JSON.stringify(`#${encodeURIComponent(key)}`)}`);
    await waitForText(page, '#chart-title', new RegExp(symbols[0] ?? ''));
    await waitForText(page, '#chart-foot', /60[01] candles/);
    await page.locator('#filter').focus();
    await page.locator('#chart').focus();
    await page.keyboard.press('ArrowLeft');
    const truth = stage.listTruth(symbols[0] ?? '', '1h', fromMs);
    const told: (number | undefined)[] = [];
    let before = await page.locator('#chart-reading').innerText();
    for (let step = 0; step < 3; step++) {
      await page.keyboard.press('Shift+ArrowLeft');
      // The page draws when the browser does, which may be after the key was taken.
      const reading = () => page.locator('#chart-reading').innerText();
      let text = before;
      await waitUntil(async () => (text = await reading()) !== before, 'the reading of another candle');
      before = text;
      const [, time = '', close = ''] = /^(\S+ \S+): .* close ([\d.,]+),/.exec(text) ?? [];
      const index = truth.findIndex(([openMs]) => openMs === Date.parse(`${time.replace(' ', 'T')}Z`));
      assert.ok(index >= 0, text);
      assert.equal(Number(close.replaceAll(',', '')), Number(truth[index]?.[4]), text);
      await waitForText(page, '#chart-legends', new RegExp(time));
      told.push(index);
    }
    assert.deepEqual(
      told,
      [0, 1, 2].map((step) => (told[0] ?? 0) - step),
    );
    assert.equal(
      await page.evaluate('getComputedStyle(document.getElementById("chart"), "::after").borderTopWidth'),
      '2px',
    );

    // A day of the past, and from there on up to the newest candle.
    const day = new Date(fromMs + 48 * HOUR_MS).toISOString().slice(0, 10);
    await page.locator('#chart-day').fill(day);
    await waitForText(page, '#chart-foot', /stretch of the past/);
    await waitForText(page, '#chart-foot', new RegExp(`${new Date(fromMs).toISOString().slice(0, 10)}.* –`));
    await page.locator('#chart').focus();
    const foot = () => page.locator('#chart-foot').innerText();
    // A hundred and fifty steps of ten candles lead over all of it; a key that is pressed where the next page of candles is
    // still on its way leads nowhere, and is pressed again.
    let shownFoot = '';
    await waitUntil(
      async () => {
        shownFoot = await foot();
        if (/no gap in them$/.test(shownFoot)) return true;
        for (let step = 0; step < 10; step++) await page.keyboard.press('ArrowRight');
        return false;
      },
      () => `the newest candle is reached: ${shownFoot}`,
    );
    // The hour may end just now: then the candle that closes comes too.
    const isWhole = async () => {
      const ended = stage.listTruth(symbols[0] ?? '', '1h', fromMs).length;
      return (await foot()).includes(`${ended.toLocaleString('en-US')} candles`);
    };
    await waitUntil(isWhole, 'every candle that has ended is loaded');
    await keepPicture(page, 'many-series');
    assert.deepEqual(misdeeds, []);
  });

  it('draws a candle that is built and still forming as one, and does not call it whole', async () => {
    await using database = await createTestDatabase();
    await using stage = await ExchangeStage.open({ symbols: ['BTC/USDT'] });
    // The minutes alone are to be had.
    stage.intercept = ({ query }) =>
      query.get('interval') === '1h'
        ? { status: 400, body: JSON.stringify({ code: -1120, msg: 'Invalid interval.' }) }
        : undefined;
    const fromMs = Math.floor(stage.now() / HOUR_MS) * HOUR_MS - 5 * HOUR_MS;
    await using service = startService({
      ...stage.environment({ symbols: ['BTC/USDT'], timeframes: '1m,1h', fromMs }),
      DATABASE_URL: database.url,
    });
    const url = await service.url();
    await service.waitFor(({ phase }) => phase === 'running');
    const path = '/v1/ohlcv?symbol=BTC/USDT&timeframe=1h';
    type Page = { data?: { partial?: true }[] };
    let built: NonNullable<Page['data']> = [];
    await waitUntil(
      async () => {
        built = ((await service.request(path)).body as Page).data ?? [];
        return built.length >= 6 && built.at(-1)?.partial === true && built[0]?.partial === undefined;
      },
      () => `hours are built: ${JSON.stringify(built)}`,
    );
    await using browser = await TestBrowser.launch();
    const { page, misdeeds } = await browser.open(`${url}#${encodeURIComponent('binance BTC/USDT 1h')}`, {
      colorScheme: 'light',
    });
    await waitForText(page, '#chart-title', /1h/);
    // In the first minutes of an hour nothing of its candle is there yet.
    const forming = /[678] candles loaded.*the last one is still forming, out of 1m/s;
    await waitForText(page, '#chart-foot', forming, 240_000);
    assert.doesNotMatch(await page.locator('#chart-foot').innerText(), /no gap/);
    await waitForText(page, '#chart-legends', /not whole/);
    await waitForText(page, '#gaps', /Nothing left to fetch.*slots cannot be had/s);
    // Neither of the colours of candles that have ended.
    const painted = await page.evaluate<number>(`(() => {
      const probe = document.createElement('span');
      probe.style.color = 'var(--muted)';
      document.body.append(probe);
      const [red, green, blue] = getComputedStyle(probe).color.match(/\\d+/g).map(Number);
      probe.remove();
      const { width, height } = document.querySelector('#chart canvas');
      const { data } = document.querySelector('#chart canvas').getContext('2d').getImageData(0, 0, width, height);
      let count = 0;
      for (let at = 0; at < data.length; at += 4)
        if (data[at] === red && data[at + 1] === green && data[at + 2] === blue && data[at + 3] === 255) count++;
      return count;
    })()`);
    assert.ok(painted > 20, `${painted} pixels of the colour of what is forming`);
    await keepPicture(page, 'forming-light');
    await page.locator('#chart').focus();
    await page.keyboard.press('Shift+ArrowLeft');
    assert.match(await page.locator('#chart-reading').innerText(), /not whole/);
    assert.deepEqual(misdeeds, []);
  });

  it('tells a boot, a database that is away and a service that is gone, and recovers by itself', async () => {
    await using database = await createTestDatabase();
    await using stage = await ExchangeStage.open({ symbols: ['BTC/USDT'] });
    const fromMs = Math.floor(stage.now() / HOUR_MS) * HOUR_MS - 48 * HOUR_MS;
    await using proxy = new LoopbackProxy({ port: await findFreePort(), targetUrl: database.url });
    await using service = startService({
      ...stage.environment({ symbols: ['BTC/USDT'], timeframes: '1h', fromMs }),
      DATABASE_URL: atPort(database.url, proxy.port),
    });
    await using browser = await TestBrowser.launch();
    const { page, misdeeds } = await browser.open(await service.url(), { colorScheme: 'dark' });
    await waitForText(page, '#verdict-title', /is starting/);
    await waitForText(page, '#verdict-detail li[aria-current]', /connecting/);
    await waitForText(page, '#chart-note', /as soon as the service runs/);
    assert.equal(await page.locator('#tiles').isVisible(), false);
    await keepPicture(page, 'starting-dark');

    await proxy.open();
    await waitForText(page, '#verdict-title', /All is well/);
    await waitForText(page, '#series-rows', /BTC\/USDT.*100 %/s);
    await waitForText(page, '#chart-foot', /48 candles|49 candles/);

    await proxy.close();
    await waitForText(page, '#verdict-title', /database does not answer/);
    assert.match(await page.locator('#series-rows').innerText(), /BTC\/USDT/, 'what was read is gone');
    assert.match(await page.title(), /database does not answer/);
    await keepPicture(page, 'database-down-dark');
    // Who opens it now is not told of what was never read.
    await page.reload();
    await waitForText(page, '#verdict-detail', /Nothing has been read yet/);
    await waitForText(page, '#chart-note', /as soon as the database answers/);
    await waitForText(page, '#series-empty', /Not known yet/);
    await waitForText(page, '#gaps', /as soon as the ledger can be read/);
    await waitForText(page, '#link', /waiting/);
    await proxy.open();
    // The refresh that failed meanwhile is told until the next one.
    await waitForText(page, '#verdict-title', /All is well|not all is well/);
    await waitForText(page, '#series-rows', /BTC\/USDT/);

    await service.end('SIGTERM');
    await waitForText(page, '#verdict-title', /service does not answer/);
    await waitForText(page, '#link', /no answer/);
    // Nobody knows now what was so before.
    assert.equal(await page.locator('#verdict-facts').innerText(), 'uptime not known now\ndatabase not known now');
    for (const card of ['#errors', '#gaps'])
      assert.doesNotMatch(await page.locator(card).innerText(), /No error|Nothing has failed|No gap/);
    assert.match(await page.locator('#exchanges').innerText(), /was up/);
    assert.match(await page.locator('#series-rows').innerText(), /BTC\/USDT/);
    await keepPicture(page, 'gone-dark');
    assert.deepEqual(misdeeds, []);
  });

  it('says what to do where nothing is stored, and where no series matches', async () => {
    await using database = await createTestDatabase();
    await using stage = await ExchangeStage.open({ symbols: ['BTC/USDT'] });
    stage.intercept = () => ({ status: 503, body: 'closed' });
    await using service = startService({
      ...stage.environment({ symbols: ['BTC/USDT'], timeframes: '1h', fromMs: stage.now() - HOUR_MS * 5 }),
      DATABASE_URL: database.url,
    });
    await service.waitFor(({ phase }) => phase === 'running');
    await using browser = await TestBrowser.launch();
    const { page, misdeeds } = await browser.open(await service.url());
    await waitForText(page, '#chart-note', /No candle is stored yet|The chart appears with the first series/);
    await waitForText(page, '#errors', /binance/);
    await keepPicture(page, 'empty-light');
    await page.locator('#filter').fill('nothing of the kind');
    await waitForText(page, '#series-empty', /No series/);
    assert.deepEqual(misdeeds, []);
  });
});
