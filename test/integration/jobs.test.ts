import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, describe, it } from 'node:test';
import type { Kysely } from 'kysely';
import { createKysely, createPool } from '../../src/db/client.ts';
import { createRepositories } from '../../src/db/repositories/index.ts';
import { TelegramReportsRepository } from '../../src/db/repositories/telegram-reports.ts';
import type { Database } from '../../src/db/schema.ts';
import type { IngestHealth } from '../../src/market/service-state.ts';
import { RefreshRecentOhlcv } from '../../src/jobs/refresh-recent-ohlcv.ts';
import { SendTelegramReport } from '../../src/jobs/send-telegram-report.ts';
import { createLogger } from '../../src/logger.ts';
import { parseDecimal } from '../../src/market/decimal.ts';
import { parseTimeframe } from '../../src/market/timeframe.ts';
import { rowsAlone } from '../support/rows-alone.ts';
import { createMigratedDatabase } from '../support/database.ts';
import { createKeptLog } from '../support/kept-log.ts';
import { execute, type TestDatabase } from '../support/postgres.ts';

const TOKEN = '123456:a-secret-of-a-bot';
const HEALTH: IngestHealth = {
  state: 'degraded',
  series: 5,
  complete: 2,
  behind: 1,
  refused: 1,
  max_lag_seconds: 42,
  futures: { feeds: 0, complete: 0 },
  last_error: 'binance has no market BTC/USTD',
};
const signal = new AbortController().signal;

let database: TestDatabase;
let kysely: Kysely<Database>;

before(async () => {
  database = await createMigratedDatabase();
  const logger = createLogger({ level: 'silent', pretty: false });
  kysely = createKysely(() => createPool({ url: database.url, applicationName: 'jobs', maxConnections: 3, logger }));
});
after(async () => {
  await kysely.destroy();
  await database.drop();
});

describe('RefreshRecentOhlcv on the real view', () => {
  it('populates it, then follows what is written', async () => {
    const repositories = createRepositories(kysely);
    let writtenAt: number | null = null;
    const { logger } = createKeptLog();
    const job = new RefreshRecentOhlcv({
      cron: '*/5 * * * *',
      view: repositories.recentOhlcv,
      lastWriteAt: () => writtenAt,
      logger,
    });
    await job.run(signal);
    assert.equal(job.snapshot().rows, 0);
    const one = parseDecimal('1.0');
    const timestamp = Math.floor(Date.now() / 60_000) * 60_000 - 60_000;
    const series = { exchange: 'binance', symbol: 'BTC/USDT', timeframe: parseTimeframe('1m') };
    await rowsAlone(kysely).candles(series, [{ timestamp, open: one, high: one, low: one, close: one, volume: one }]);
    await job.run(signal);
    assert.equal(job.snapshot().rows, 0, 'nobody said that something was written');
    writtenAt = Date.now();
    await job.run(signal);
    assert.equal(job.snapshot().rows, 1);
    assert.equal(job.snapshot().last_error, null);
  });
});

describe('SendTelegramReport', () => {
  let server: Server;
  let apiUrl: string;
  let answers: ((response: ServerResponse) => void)[] = [];
  let received: { path: string; body: unknown }[] = [];

  before(async () => {
    server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        received.push({ path: request.url ?? '', body: JSON.parse(Buffer.concat(chunks).toString()) as unknown });
        (answers.shift() ?? reply(200, { ok: true, result: {} }))(response);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    apiUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });
  afterEach(async () => {
    [answers, received] = [[], []];
    await execute(database.url, 'delete from telegram_reports');
  });

  const reply = (status: number, body: unknown) => (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
  const send = async (origin = apiUrl) => {
    const { logger, lines } = createKeptLog();
    const backoff = { firstMs: 5, maxMs: 20 };
    const job = new SendTelegramReport({
      telegram: {
        botToken: TOKEN,
        chatId: '-42',
        cron: '0 * * * *',
        apiUrl: origin,
        backoff,
        timeoutMs: 200,
        patienceMs: 1_000,
      },
      ingest: { health: () => HEALTH },
      repositories: { telegramReports: new TelegramReportsRepository({ kysely }) },
      logger,
    });
    await job.run(signal);
    const rows = await execute(
      database.url,
      'select report_type, content, success, error_message from telegram_reports',
    );
    assert.equal(rows.length, 1);
    assert.ok(!JSON.stringify([lines, rows]).includes(TOKEN), 'the token was told');
    return rows[0]!;
  };

  it('sends a short text to the chat and keeps it', async () => {
    const row = await send();
    assert.equal(received[0]?.path, `/bot${TOKEN}/sendMessage`);
    const { chat_id, text } = received[0].body as { chat_id: string; text: string };
    assert.equal(chat_id, '-42');
    assert.equal(
      text,
      'candlekeep: ingest degraded\n2 of 5 series complete, 1 behind, 1 backfilling, 1 refused\nlag 42 s\n' +
        'last error: binance has no market BTC/USTD',
    );
    assert.deepEqual(row, { report_type: 'hourly', content: text, success: true, error_message: null });
  });

  it('tries again after what passes: 500, HTML, silence', async () => {
    answers = [
      reply(500, { ok: false, description: 'Internal' }),
      (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<html>'),
      () => undefined,
    ];
    const row = await send();
    assert.equal(received.length, 4);
    assert.equal(row['success'], true);
  });

  it('does not repeat what the API refuses, and keeps the reason without the token', async () => {
    answers = [reply(400, { ok: false, description: `Bad Request: chat not found for ${TOKEN}` })];
    const row = await send();
    assert.equal(received.length, 1);
    assert.equal(row['success'], false);
    assert.match(
      String(row['error_message']),
      /refused the message with status 400: Bad Request: chat not found for \*\*\*/,
    );
  });

  it('leaves it for this hour when told to wait longer than it may', async () => {
    answers = [reply(429, { ok: false, description: 'Too Many Requests', parameters: { retry_after: 60 } })];
    const row = await send();
    assert.equal(received.length, 1);
    assert.match(String(row['error_message']), /status 429/);
  });

  it('keeps a report that could not be sent because nobody listens', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const { port } = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const row = await send(`http://127.0.0.1:${port}`);
    assert.equal(row['success'], false);
    assert.match(String(row['error_message']), /cannot be reached \(ECONNREFUSED\)/);
  });
});
