import { parseArgs } from 'node:util';
import { config } from 'dotenv';
import { reportHealth } from './support/health-report.ts';
import { askHealth, askService, serviceUrl } from './support/service-client.ts';
import { runCommand } from './support/run-command.ts';

const HELP = `Asks the running service how it is.

  npm run health -- [--url http://host:port] [--live | --ready] [--json]

  --url    the service; otherwise HOST and PORT of the environment or .env say where it is
  --live   only whether the process answers
  --ready  only whether it runs with its database up: the container's health check
  --json   the answer as it came
  --help   this text

Exit code: 0 healthy (or alive, or ready), 3 degraded, 1 starting, stopping, unhealthy or no answer within 5 s, 2 wrong use.
`;

await runCommand(async () => {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      live: { type: 'boolean', default: false },
      ready: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  config({ quiet: true });
  const url = values.url ?? serviceUrl(process.env);
  if (values.live || values.ready) {
    const { status, body } = await askService(url, values.live ? '/health/live' : '/health/ready');
    console.log(
      values.json ? JSON.stringify(body, null, 2) : `${String(body['status'])}, phase ${String(body['phase'])}`,
    );
    return status === 200 ? 0 : 1;
  }
  const health = await askHealth(url);
  console.log(values.json ? JSON.stringify(health, null, 2) : reportHealth(health, url));
  return health.status === 'healthy' ? 0 : health.status === 'degraded' ? 3 : 1;
});
