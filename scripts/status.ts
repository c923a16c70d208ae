import { parseArgs } from 'node:util';
import { config } from 'dotenv';
import { reportHealth, reportSeries } from './support/health-report.ts';
import type { SeriesObject } from '../src/http/routes/series.ts';
import { askHealth, askService, serviceUrl } from './support/service-client.ts';
import { runCommand } from './support/run-command.ts';

const HELP = `Shows what the running service is doing: its health, its schema and its series.

  npm run status -- [--url http://host:port]

  --url   the service; otherwise HOST and PORT of the environment or .env say where it is
  --help  this text

Exit code: 0 shown, 1 no answer within 5 s, 2 wrong use. For scripts there is "npm run health".
`;

await runCommand(async () => {
  const { values } = parseArgs({ options: { url: { type: 'string' }, help: { type: 'boolean', default: false } } });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  config({ quiet: true });
  const url = values.url ?? serviceUrl(process.env);
  console.log(`${reportHealth(await askHealth(url), url)}\n`);
  const { status, body } = await askService(url, '/v1/series');
  if (status === 200) console.log(reportSeries(body['data'] as SeriesObject[]));
  else console.log(`The series cannot be shown: ${String(body['detail'])}`);
  return 0;
});
