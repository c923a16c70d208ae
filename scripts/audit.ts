import { parseArgs } from 'node:util';
import { SYSTEM_CLOCK } from '../src/clock.ts';
import { AuditRepository } from '../src/db/repositories/audit-repository.ts';
import { FuturesRepository } from '../src/db/repositories/index.ts';
import { recheckEmpty } from '../src/jobs/recheck-empty.ts';
import { runAudit, type AuditReport } from '../src/jobs/run-audit.ts';
import type { CoverageKey } from '../src/market/coverage.ts';
import { parseMomentOption } from './support/moment-option.ts';
import { openDatabase } from './support/open-database.ts';
import { runCommand } from './support/run-command.ts';
import { parseSeriesOptions } from './support/series-options.ts';

const HELP = `Recomputes the completeness ledger from the rows and tells every difference. Holds also values against each other
that must agree: 1h candles against their minutes, open_interest_value against open_interest × mark_price; and finds
rows of another timeframe than their series says.

  npm run audit -- [--repair] [--exchange ID] [--symbol BASE/QUOTE] [--timeframe 1m] [--since 2024-01-31] [--json]
  npm run audit -- --recheck-empty [--exchange ID] [--symbol BASE/QUOTE] [--timeframe 1m]
  make audit [REPAIR=1]

  --repair     make the ledger true: rows are noted as stored, and what has none as missing, to be fetched again
  --recheck-empty  note what was confirmed as empty as missing instead, so that the service asks for it anew
  --exchange   --symbol, --timeframe: only these
  --since      hold values against each other from then on; otherwise all of them
  --json       the report as JSON
  --help       this text

May run beside the service: it looks at one range of one series at a time.
Exit codes: 0 the ledger is true, or is again · 3 it differs from the rows, or nothing matches · 1 failed · 2 wrong usage.
Values that contradict each other are only told: they are what the exchange said.`;

const SHOWN = 20;
const NOTHING = 'nothing matches: neither ledger nor rows know such a series; see --exchange, --symbol and --timeframe';

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      repair: { type: 'boolean', default: false },
      'recheck-empty': { type: 'boolean', default: false },
      exchange: { type: 'string', default: '' },
      symbol: { type: 'string', default: '' },
      timeframe: { type: 'string', default: '' },
      since: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(HELP);
    return 0;
  }
  const filter = parseSeriesOptions(values);
  const crossCheckSince = parseMomentOption('since', values.since) ?? 0;
  const includes = (key: CoverageKey) =>
    (['exchange', 'symbol', 'timeframe'] as const).every(
      (name) => filter[name] === undefined || filter[name] === key[name],
    );
  const database = await openDatabase();
  try {
    const { kysely } = database;
    const stores = { audit: new AuditRepository({ kysely }), futures: new FuturesRepository({ kysely }) };
    if (values['recheck-empty']) {
      const counts = await recheckEmpty(stores.audit, includes);
      const told = `${counts.slots.toLocaleString('en-US')} slots of ${counts.series} series and feeds are asked for again`;
      console.log(values.json ? JSON.stringify(counts, null, 2) : counts.matched > 0 ? told : NOTHING);
      return counts.matched > 0 ? 0 : 3;
    }
    const options = { repairs: values.repair, crossCheckSince, restRatio: 0, includes };
    const report = await runAudit({ stores, clock: SYSTEM_CLOCK }, options, new AbortController().signal);
    const isUnmatched = report.series === 0 && Object.keys(filter).length > 0;
    const text = isUnmatched ? NOTHING : describe(report, values.repair);
    console.log(values.json ? JSON.stringify(report, null, 2) : text);
    if (isUnmatched) return 3;
    return report.differences > report.repaired ? 3 : 0;
  } finally {
    await database.close();
  }
});

function describe(report: AuditReport, repairs: boolean): string {
  const { series, slots, differences, repaired, by_kind, examples, cross_checks: checks } = report;
  const count = (value: number) => value.toLocaleString('en-US');
  const lines = [`looked at ${count(slots)} slots of ${count(series)} series and feeds in ${report.duration_ms} ms`];
  if (differences === 0) lines.push('the ledger is true: every row is noted, and what is noted as stored has its row');
  for (const [kind, number] of Object.entries(by_kind)) lines.push(`  ${kind.padEnd(18)} ${count(number)}`);
  for (const { exchange, symbol, timeframe, metric, kind, since, until } of examples.slice(0, SHOWN))
    lines.push(`  ! ${exchange} ${symbol} ${timeframe} ${metric}: ${kind}, ${since} to ${until}`);
  if (differences > SHOWN) lines.push(`  … and ${count(differences - SHOWN)} more`);
  if (repaired > 0) lines.push(`differences put right in the ledger: ${count(repaired)} of ${count(differences)}`);
  if (differences > 0 && !repairs) lines.push('nothing was changed; to make the ledger true: make audit REPAIR=1');
  if (checks !== null) {
    const { candle_sums: sums, open_interest_value: values, repeated_candles: repeated } = checks;
    lines.push(
      `${count(sums.deviations)} of ${count(sums.compared)} hours differ from their minutes`,
      `${count(values.deviations)} of ${count(values.compared)} open interest values are off by more than 5 %`,
      `${count(repeated.deviations)} of ${count(repeated.compared)} candles stand in a shorter series instead of its own`,
      ...checks.examples
        .slice(0, SHOWN)
        .map(({ exchange, symbol, timestamp, detail }) => `  ! ${exchange} ${symbol} ${timestamp}: ${detail}`),
    );
  }
  return lines.join('\n');
}
