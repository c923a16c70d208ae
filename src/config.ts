import { isAbsolute, resolve } from 'node:path';
import { z } from 'zod';
import {
  boolean,
  databaseUrl,
  parseCorsOrigin,
  parseList,
  parseMarket,
  parsePastMoment,
  parseNetwork,
  parseOrigin,
  variable,
  wholeNumber,
} from './config-values.ts';
import { ConfigError, messageOf } from './errors.ts';
import { parseTimeframe } from './market/timeframe.ts';

/** Questions that only other modules can answer; each returns what is wrong, or null. */
export interface ConfigChecks {
  readonly findCronFault: (expression: string) => string | null;
  readonly findExchangeFault: (id: string) => string | null;
}

export type Environment = Readonly<Record<string, string | undefined>>;

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** Values of these never appear in a message. */
const SECRETS = new Set([
  'DATABASE_URL',
  'MIGRATION_DATABASE_URL',
  'ADMIN_TOKEN',
  'EXCHANGE_URLS',
  'TELEGRAM_BOT_TOKEN',
  'TELEGRAM_API_URL',
]);

function createSchema({ findCronFault, findExchangeFault }: ConfigChecks) {
  const cron = variable((value) => {
    const fault = findCronFault(value);
    if (fault !== null) throw new RangeError(`must be a cron expression such as "*/5 * * * *": ${fault}`);
    return value;
  });
  const assertExchange = (id: string) => {
    const fault = findExchangeFault(id);
    if (fault !== null) throw new RangeError(fault);
  };
  return z.object({
    DATABASE_URL: databaseUrl.optional(),
    MIGRATION_DATABASE_URL: databaseUrl.optional(),
    DATA_DIR: z.string().default('./data'),
    DB_CONNECT_TIMEOUT_S: wholeNumber(1, 86_400).default(60),
    MIGRATE_ON_BOOT: boolean.default(true),
    MIGRATION_LOCK_WAIT_S: wholeNumber(1, 86_400).default(600),
    HOST: z
      .string()
      .regex(/^[\w.:-]+$/, 'must be an address or host name, such as 127.0.0.1')
      .default('127.0.0.1'),
    PORT: wholeNumber(0, 65_535).default(8000),
    ADMIN_TOKEN: z
      .string()
      .min(16, 'must have at least 16 characters')
      .regex(/^[\x21-\x7e]*$/, 'must be of plain characters without blanks: it travels in a header')
      .optional(),
    CORS_ORIGINS: variable((value) => parseList(value, parseCorsOrigin)).default([]),
    RATE_LIMIT_PER_MINUTE: wholeNumber(0, 1_000_000).default(1200),
    TRUSTED_PROXIES: variable((value) => parseList(value, parseNetwork)).default([]),
    HTTP_STATEMENT_TIMEOUT_S: wholeNumber(1, 3600).default(30),
    MARKETS: variable((value) => {
      const markets = parseList(value, parseMarket);
      for (const exchange of new Set(markets.map((market) => market.exchange))) assertExchange(exchange);
      return markets;
    }).prefault('binance:BTC/USDT,binance:ETH/USDT,binance:SOL/USDT'),
    TIMEFRAMES: variable((value) => parseList(value, parseTimeframe)).prefault('1h'),
    BACKFILL_DAYS: wholeNumber(1, 10_000).default(1095),
    BACKFILL_FROM: variable(parsePastMoment).optional(),
    FUTURES: boolean.default(true),
    ADDRESS_NAME: z
      .string()
      .regex(/^[\x21-\x7e]{1,100}$/, 'must be a name of up to 100 plain characters without blanks')
      .optional(),
    EXCHANGE_URLS: variable((value) => {
      const entries = parseList(value, (item): [string, string] => {
        const at = item.indexOf('=');
        if (at < 1) throw new RangeError('an item is not of the form exchange=http://host:port');
        const exchange = item.slice(0, at);
        assertExchange(exchange);
        try {
          return [exchange, parseOrigin(item.slice(at + 1))];
        } catch (error) {
          throw new RangeError(`the address for ${exchange} ${messageOf(error)}`);
        }
      });
      return new Map(entries);
    }).optional(),
    CONFIRM_EMPTY_AFTER_S: wholeNumber(1, 86_400).default(60),
    REFRESH_CRON: cron.default('*/5 * * * *'),
    AUDIT_CRON: cron.default('17 3 * * *'),
    LOG_LEVEL: variable((value) => {
      if (!LOG_LEVELS.includes(value)) throw new RangeError(`must be one of ${LOG_LEVELS.join(', ')}`);
      return value;
    }).default('info'),
    LOG_PRETTY: boolean.optional(),
    TELEGRAM_BOT_TOKEN: z.string().optional(),
    TELEGRAM_CHAT_ID: z.string().optional(),
    TELEGRAM_CRON: cron.default('0 * * * *'),
    TELEGRAM_API_URL: variable(parseOrigin).default('https://api.telegram.org'),
  });
}

/**
 * Reads the configuration out of environment variables; a variable that is empty or only blanks counts as unset.
 *
 * @param isTerminal whether standard output is one: the default of LOG_PRETTY.
 * @throws ConfigError with one line for every problem; secrets are never part of one.
 */
export function parseConfig(environment: Environment, checks: ConfigChecks, isTerminal: boolean): Config {
  const given = Object.fromEntries(
    Object.entries(environment)
      .map(([name, value]) => [name, value?.trim()] as const)
      .filter(([, value]) => value !== undefined && value !== ''),
  );
  const result = createSchema(checks).safeParse(given);
  const problems = result.success ? [] : result.error.issues.map((issue) => describeIssue(issue, given));
  if ((given['TELEGRAM_BOT_TOKEN'] === undefined) !== (given['TELEGRAM_CHAT_ID'] === undefined))
    problems.push('TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID: set both, or neither');
  if (given['MIGRATION_DATABASE_URL'] !== undefined && given['DATABASE_URL'] === undefined)
    problems.push('MIGRATION_DATABASE_URL: needs DATABASE_URL too (the embedded database has one role)');
  if (!result.success || problems.length > 0) throw new ConfigError(problems);
  return toConfig(result.data, isTerminal);
}

function describeIssue(issue: z.core.$ZodIssue, given: Record<string, string | undefined>): string {
  const name = issue.path.map(String).join('.');
  const value = given[name];
  const shown = value === undefined || SECRETS.has(name) ? '' : ` (it is ${JSON.stringify(value.slice(0, 80))})`;
  return `${name}: ${issue.message}${shown}`;
}

/** What the service goes by. */
export type Config = ReturnType<typeof toConfig>;
type Backfill = { readonly days: number } | { readonly fromMs: number };

function toConfig(env: z.output<ReturnType<typeof createSchema>>, isTerminal: boolean) {
  const { TELEGRAM_BOT_TOKEN: botToken, TELEGRAM_CHAT_ID: chatId } = env;
  const backfill: Backfill =
    env.BACKFILL_FROM === undefined ? { days: env.BACKFILL_DAYS } : { fromMs: env.BACKFILL_FROM };
  return {
    database: {
      /** null: run the embedded server under `dataDir`. */
      url: env.DATABASE_URL ?? null,
      /** The role that owns the schema; null: the runtime role does. */
      migrationUrl: env.MIGRATION_DATABASE_URL ?? null,
      connectTimeoutMs: env.DB_CONNECT_TIMEOUT_S * 1000,
      migrateOnBoot: env.MIGRATE_ON_BOOT,
      /** How long this process waits for another one that is migrating. */
      migrationLockWaitMs: env.MIGRATION_LOCK_WAIT_S * 1000,
    },
    /** Absolute path. */
    dataDir: isAbsolute(env.DATA_DIR) ? env.DATA_DIR : resolve(env.DATA_DIR),
    http: {
      host: env.HOST,
      port: env.PORT,
      adminToken: env.ADMIN_TOKEN ?? null,
      /** Origins whose pages may read the answers; `*` is all. */
      corsOrigins: env.CORS_ORIGINS,
      /** 0: without limit. */
      rateLimitPerMinute: env.RATE_LIMIT_PER_MINUTE,
      /** Addresses and networks (CIDR) whose x-forwarded-for is believed. */
      trustedProxies: env.TRUSTED_PROXIES,
      /** How long a statement may run for a request. */
      statementTimeoutMs: env.HTTP_STATEMENT_TIMEOUT_S * 1000,
    },
    collect: {
      markets: env.MARKETS,
      timeframes: env.TIMEFRAMES,
      backfill,
      futures: env.FUTURES,
      /** How far apart two empty answers must lie before a hole counts as one without trades. */
      confirmEmptyAfterMs: env.CONFIRM_EMPTY_AFTER_S * 1000,
    },
    /** Exchange id → origin that all its requests go to. */
    exchangeUrls: env.EXCHANGE_URLS ?? new Map<string, string>(),
    /** What the address is called that exchanges see; null: by the host's name. */
    addressName: env.ADDRESS_NAME ?? null,
    refreshCron: env.REFRESH_CRON,
    auditCron: env.AUDIT_CRON,
    /** null: no report is sent. */
    telegram:
      botToken === undefined || chatId === undefined
        ? null
        : { botToken, chatId, cron: env.TELEGRAM_CRON, apiUrl: env.TELEGRAM_API_URL },
    log: { level: env.LOG_LEVEL, pretty: env.LOG_PRETTY ?? isTerminal },
  } as const;
}
