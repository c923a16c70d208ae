import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseConfig, type Environment } from '../../src/config.ts';
import { ConfigError } from '../../src/errors.ts';

const checks = {
  findCronFault: (expression: string) => (expression.split(' ').length === 5 ? null : 'it needs five fields'),
  findExchangeFault: (id: string) => (['binance', 'okx'].includes(id) ? null : `"${id}" is no exchange`),
};
const parse = (environment: Environment, isTerminal = false) => parseConfig(environment, checks, isTerminal);

function problemsOf(environment: Environment): readonly string[] {
  try {
    parse(environment);
  } catch (error) {
    assert.ok(error instanceof ConfigError);
    return error.problems;
  }
  return [];
}

describe('parseConfig', () => {
  it('needs nothing', () => {
    const config = parse({});
    assert.equal(config.database.url, null);
    assert.equal(config.database.connectTimeoutMs, 60_000);
    assert.equal(config.database.migrateOnBoot, true);
    assert.equal(config.http.host, '127.0.0.1');
    assert.equal(config.http.port, 8000);
    assert.equal(config.http.adminToken, null);
    assert.deepEqual(
      config.collect.markets.map(({ exchange, symbol }) => `${exchange}:${symbol}`),
      ['binance:BTC/USDT', 'binance:ETH/USDT', 'binance:SOL/USDT'],
    );
    assert.deepEqual(config.collect.timeframes, ['1h']);
    assert.deepEqual(config.collect.backfill, { days: 1095 });
    assert.equal(config.telegram, null);
    assert.equal(config.collect.confirmEmptyAfterMs, 60_000);
    assert.equal(config.auditCron, '17 3 * * *');
  });

  it('counts an empty or blank variable as unset', () => {
    assert.equal(parse({ DATABASE_URL: '', PORT: '  ', ADMIN_TOKEN: '' }).http.port, 8000);
  });

  it('reads every variable', () => {
    const config = parse({
      DATABASE_URL: 'postgresql://u:p@db/x',
      MIGRATION_DATABASE_URL: 'postgres://owner:p@db/x',
      DATA_DIR: '/var/keep',
      DB_CONNECT_TIMEOUT_S: '5',
      MIGRATE_ON_BOOT: 'No',
      MIGRATION_LOCK_WAIT_S: '7',
      HOST: '0.0.0.0',
      PORT: '0',
      ADMIN_TOKEN: 'sixteen-characters',
      CORS_ORIGINS: 'https://charts.example, http://127.0.0.1:3000/',
      RATE_LIMIT_PER_MINUTE: '0',
      TRUSTED_PROXIES: '10.0.0.0/8,::1',
      HTTP_STATEMENT_TIMEOUT_S: '7',
      MARKETS: 'binance:btc/usdt, okx:*/USDT',
      TIMEFRAMES: '1m,1d',
      BACKFILL_DAYS: '3',
      BACKFILL_FROM: '2024-01-01',
      FUTURES: '0',
      EXCHANGE_URLS: 'binance=http://127.0.0.1:9001/',
      ADDRESS_NAME: 'office',
      CONFIRM_EMPTY_AFTER_S: '5',
      REFRESH_CRON: '0 * * * *',
      AUDIT_CRON: '5 4 * * *',
      LOG_LEVEL: 'debug',
      LOG_PRETTY: 'true',
      TELEGRAM_BOT_TOKEN: 't',
      TELEGRAM_CHAT_ID: 'c',
    });
    assert.equal(config.database.migrationUrl, 'postgres://owner:p@db/x');
    assert.equal(config.dataDir, '/var/keep');
    assert.equal(config.database.migrateOnBoot, false);
    assert.equal(config.database.migrationLockWaitMs, 7_000);
    assert.deepEqual(config.collect.markets, [
      { exchange: 'binance', symbol: 'BTC/USDT' },
      { exchange: 'okx', symbol: '*/USDT' },
    ]);
    assert.deepEqual(config.collect.backfill, { fromMs: Date.UTC(2024, 0, 1) });
    assert.equal(config.collect.futures, false);
    assert.equal(config.collect.confirmEmptyAfterMs, 5_000);
    assert.equal(config.auditCron, '5 4 * * *');
    const { corsOrigins, rateLimitPerMinute, trustedProxies, statementTimeoutMs } = config.http;
    assert.deepEqual(corsOrigins, ['https://charts.example', 'http://127.0.0.1:3000']);
    assert.deepEqual([rateLimitPerMinute, trustedProxies, statementTimeoutMs], [0, ['10.0.0.0/8', '::1'], 7_000]);
    assert.equal(config.exchangeUrls.get('binance'), 'http://127.0.0.1:9001');
    assert.equal(config.addressName, 'office');
    assert.deepEqual(config.telegram, {
      botToken: 't',
      chatId: 'c',
      cron: '0 * * * *',
      apiUrl: 'https://api.telegram.org',
    });
    assert.deepEqual(config.log, { level: 'debug', pretty: true });
  });

  it('takes the start of the window as queries take moments', () => {
    for (const from of ['2024-01-01', '2024-01-01T00:00Z', '1704067200000'])
      assert.deepEqual(parse({ BACKFILL_FROM: from }).collect.backfill, { fromMs: Date.UTC(2024, 0, 1) }, from);
  });

  it('takes currencies with odd names', () => {
    const symbols = parse({ MARKETS: 'binance:A-B/USDT,binance:币安/usdt,binance:$X/USDT' }).collect.markets;
    assert.deepEqual(
      symbols.map(({ symbol }) => symbol),
      ['A-B/USDT', '币安/USDT', '$X/USDT'],
    );
  });

  it('shows lines for a person on a terminal only', () => {
    assert.equal(parse({}, true).log.pretty, true);
    assert.equal(parse({}, false).log.pretty, false);
  });

  it('reports every problem at once, one line each', () => {
    const problems = problemsOf({ PORT: '70000', TIMEFRAMES: '1h,7x', LOG_LEVEL: 'loud', REFRESH_CRON: 'often' });
    assert.deepEqual(problems.map((line) => line.split(':')[0]).toSorted(), [
      'LOG_LEVEL',
      'PORT',
      'REFRESH_CRON',
      'TIMEFRAMES',
    ]);
    assert.ok(problems.every((line) => !line.includes('\n')));
  });

  const faults: [string, Environment, RegExp][] = [
    ['a port that is none', { PORT: '1e3' }, /^PORT: must be a whole number from 0 to 65535 \(it is "1e3"\)$/],
    ['a database of another kind', { DATABASE_URL: 'mysql://x' }, /^DATABASE_URL: must begin with postgresql:/],
    ['an unknown exchange', { MARKETS: 'binnance:BTC/USDT' }, /^MARKETS: "binnance" is no exchange/],
    ['a market without exchange', { MARKETS: 'BTC/USDT' }, /write exchange:BASE\/QUOTE/],
    ['half a wildcard', { MARKETS: 'binance:B*/USDT' }, /a \* stands for one whole currency/],
    ['an empty item', { MARKETS: 'binance:BTC/USDT,,' }, /has an empty item/],
    ['a start in the future', { BACKFILL_FROM: '2999-01-01' }, /lies in the future/],
    ['a start that is no date', { BACKFILL_FROM: 'yesterday' }, /^BACKFILL_FROM: must be ISO 8601/],
    ['a start in seconds', { BACKFILL_FROM: '1704067200' }, /looks like epoch seconds.*1704067200000/],
    ['a start without dashes', { BACKFILL_FROM: '20260101' }, /looks like a date: write 2026-01-01/],
    ['a start of twelve milliseconds', { BACKFILL_FROM: '12' }, /lies before 2009-01-03/],
    [
      'an origin with a path',
      { EXCHANGE_URLS: 'binance=http://x/y' },
      /the address for binance must be an origin only/,
    ],
    ['a foreign page with a path', { CORS_ORIGINS: 'https://a.example/x' }, /^CORS_ORIGINS: "https:.*an origin only/],
    ['a foreign page without scheme', { CORS_ORIGINS: 'a.example' }, /^CORS_ORIGINS: "a\.example" is not a URL/],
    ['a proxy by name', { TRUSTED_PROXIES: 'proxy' }, /^TRUSTED_PROXIES: "proxy" is neither an address nor a network/],
    ['a network too narrow', { TRUSTED_PROXIES: '10.0.0.0/33' }, /is neither an address nor a network/],
    ['no patience at all', { HTTP_STATEMENT_TIMEOUT_S: '0' }, /must be a whole number from 1 to 3600/],
    ['a day that does not exist', { BACKFILL_FROM: '2026-02-31' }, /must be ISO 8601/],
    ['a start before there was anything', { BACKFILL_FROM: '1970-01-01' }, /lies before 2009-01-03/],
    ['a token that no header can carry', { ADMIN_TOKEN: 'correct horse battery staple' }, /without blanks/],
    ['half a Telegram', { TELEGRAM_CHAT_ID: '5' }, /set both, or neither/],
    ['an owner without a runtime role', { MIGRATION_DATABASE_URL: 'postgres://x/y' }, /needs DATABASE_URL too/],
    ['a word for a truth', { FUTURES: 'perhaps' }, /must be true or false/],
  ];
  for (const [name, environment, expected] of faults) {
    it(`refuses ${name}`, () => {
      const problems = problemsOf(environment);
      assert.equal(problems.length, 1);
      assert.match(problems[0] ?? '', expected);
    });
  }

  it('never shows a secret', () => {
    const text = problemsOf({
      ADMIN_TOKEN: 'hunter2',
      DATABASE_URL: 'oracle://me:hunter2@x',
      TELEGRAM_BOT_TOKEN: 'hunter2',
      EXCHANGE_URLS: 'binance=http://me:hunter2@x/',
    }).join('\n');
    assert.match(text, /ADMIN_TOKEN: must have at least 16 characters/);
    assert.ok(!text.includes('hunter2'), text);
  });
});
