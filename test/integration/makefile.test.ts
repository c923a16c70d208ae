import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { after, before, describe, it } from 'node:test';

const ROOT = join(import.meta.dirname, '../..');
const NO_MAKE = spawnSync('make', ['--version']).error ? 'make is not installed' : false;

/** Where commands run, and how the last one of a target is spelled there. */
const PLACES = [
  { name: 'on this machine', hasContainer: false, begin: (script: string) => `npm run --silent ${script} --` },
  {
    name: 'in the container',
    hasContainer: true,
    begin: (script: string) => `docker compose exec -T app node scripts/${script}.ts`,
  },
];

/** Each option that changes something, behind the variable that asks for it. */
const OPTIONS = [
  { target: 'fix-prediction-outcomes', variable: 'YES', option: '--yes' },
  { target: 'audit', variable: 'REPAIR', option: '--repair' },
];

describe('the Makefile', { skip: NO_MAKE }, () => {
  // Programs that say how they were called: what make would run is all that is looked at.
  let programs = '';
  before(async () => {
    programs = await mkdtemp(join(tmpdir(), 'candlekeep-make-'));
    const say = (name: string, more = '') =>
      writeFile(join(programs, name), `#!/bin/sh\n${more}echo "${name} $*"\n`).then(() =>
        chmod(join(programs, name), 0o755),
      );
    await say('npm');
    await say('docker', '[ "$2" = ps ] && { echo "$CONTAINER"; exit 0; }\n');
  });
  after(() => rm(programs, { recursive: true, force: true }));

  function make(hasContainer: boolean, args: readonly string[], environment: Record<string, string> = {}) {
    // -o: what is installed here is left as it is.
    const { status, stdout, stderr } = spawnSync('make', ['-o', 'node_modules/.package-lock.json', ...args], {
      cwd: ROOT,
      env: {
        PATH: [programs, process.env['PATH']].join(delimiter),
        CONTAINER: hasContainer ? 'abc' : '',
        ...environment,
      },
    });
    return { code: status, ran: stdout.toString().trim(), said: stderr.toString() };
  }

  for (const { name, hasContainer, begin } of PLACES)
    for (const { target, variable, option } of OPTIONS) {
      it(`${name} runs ${target} with ${option} where ${variable} says 1, yes or true`, () => {
        for (const word of ['1', 'yes', 'true', ' yes '])
          assert.equal(make(hasContainer, [target, `${variable}=${word}`]).ran, `${begin(target)} ${option}`, word);
        for (const args of [[], [`${variable}=`], [`${variable}=  `]])
          assert.equal(make(hasContainer, [target, ...args]).ran, begin(target), args.join());
      });

      it(`${name} refuses ${target} where ${variable} says anything else, and runs nothing`, () => {
        for (const word of [
          'no',
          '0',
          'false',
          'off',
          'No',
          'YES',
          'True',
          'y',
          '1 no',
          'no 1',
          'yes yes',
          '%',
          '11',
        ]) {
          const { code, ran, said } = make(hasContainer, [target, `${variable}=${word}`]);
          assert.deepEqual([code, ran], [2, ''], word);
          assert.ok(said.includes(`${variable}=${word} is not understood: write ${variable}=1`), said);
        }
        const exported = make(hasContainer, [target], { [variable]: 'no' });
        assert.deepEqual([exported.code, exported.ran], [2, ''], 'from the environment');
        const unasked = make(hasContainer, ['db-status'], { [variable]: 'no' });
        assert.deepEqual([unasked.code, unasked.ran], [0, begin('db-status')], 'a target that does not ask for it');
      });
    }
});
