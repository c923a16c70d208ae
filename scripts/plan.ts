import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { config } from 'dotenv';
import { SYSTEM_CLOCK } from '../src/clock.ts';
import { parseConfig, type Config } from '../src/config.ts';
import { ASSUMED_ROW_BYTES, RowSizes } from '../src/db/repositories/row-sizes.ts';
import { createRepositories } from '../src/db/repositories/index.ts';
import { createExchange } from '../src/exchanges/create-exchange.ts';
import { findExchangeFault } from '../src/exchanges/ccxt/ccxt-library.ts';
import { BackfillPlanner, type PlanStores } from '../src/planning/backfill-planner.ts';
import { describePlan } from '../src/planning/describe-plan.ts';
import { findCronFault } from '../src/jobs/scheduler.ts';
import { createCommandLogger } from './support/command-logger.ts';
import { openDatabase } from './support/open-database.ts';
import { runCommand } from './support/run-command.ts';
import type { BackfillPlan } from '../src/market/backfill-plan.ts';

const HELP = `Says what it will cost to collect what MARKETS, TIMEFRAMES, BACKFILL_DAYS (or BACKFILL_FROM) and FUTURES name:
requests, minutes of the exchanges' allowances, rows and bytes. What is stored already is not counted again. Asks each
exchange for its time and its list of markets and nothing else; writes nothing.

  npm run plan -- [--json]
  make plan
  MARKETS='binance:*/USDT' TIMEFRAMES=1m make plan

  --json  the same as JSON
  --help  this text

Without a database yet everything counts as missing. A running service answers the same at /v1/plan (admin).
Exit codes: 0 planned · 3 planned, but something was left out (it is named) · 1 failed · 2 wrong usage`;

await runCommand(async () => {
  const { values } = parseArgs({
    options: { json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false } },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  config({ quiet: true });
  const settings = parseConfig(process.env, { findCronFault, findExchangeFault }, false);
  const plan = await makePlan(settings);
  console.log(values.json ? JSON.stringify(plan, null, 2) : describePlan(plan));
  return plan.left_out.length > 0 ? 3 : 0;
});

async function makePlan(settings: Config): Promise<BackfillPlan> {
  if (settings.database.url === null && !existsSync(join(settings.dataDir, 'postgres')))
    return await planOver(settings, createEmptyStores());
  const database = await openDatabase();
  try {
    const { coverage, ohlcv, futures } = createRepositories(database.kysely);
    const rowSizes = new RowSizes({ kysely: database.kysely });
    return await planOver(settings, { coverage, ohlcv, futures, rowSizes });
  } finally {
    await database.close();
  }
}

async function planOver({ collect, exchangeUrls }: Config, stores: PlanStores): Promise<BackfillPlan> {
  const logger = createCommandLogger();
  const planner = new BackfillPlanner({
    collect,
    stores,
    clock: SYSTEM_CLOCK,
    openExchange: (id) => createExchange({ id, origin: exchangeUrls.get(id) ?? null, logger }),
  });
  return await planner.plan(new AbortController().signal);
}

/** What a database without a row would say. */
function createEmptyStores(): PlanStores {
  return {
    coverage: { list: () => Promise.resolve([]) },
    ohlcv: { listGaps: (_series, range) => Promise.resolve([range]) },
    futures: { listGaps: (_exchange, _symbol, _metric, range) => Promise.resolve([range]) },
    rowSizes: { measure: () => Promise.resolve(ASSUMED_ROW_BYTES) },
  };
}
