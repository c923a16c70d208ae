import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(resolve(root, path), 'utf8');
const compose = read('docker-compose.yml');
const dockerfile = read('docker/Dockerfile');

/** Decided by the container itself: its own listener, and no state in files. */
const NOT_PASSED_ON = new Set(['HOST', 'DATA_DIR', 'PORT']);

describe('the container files', () => {
  it('pass every variable of .env.example on, so that none is silently without effect', () => {
    const variables = [...read('.env.example').matchAll(/^#?([A-Z][A-Z_]+)=/gm)].map(([, name = '']) => name);
    assert.ok(variables.length > 15, `only ${variables.length} variables were read out of .env.example`);
    for (const name of variables.filter((variable) => !NOT_PASSED_ON.has(variable)))
      assert.match(
        compose,
        new RegExp(`^ +${name}: \\$\\{${name}:-`, 'm'),
        `docker-compose.yml does not pass ${name} on`,
      );
  });

  it('publish the port of the service and those of the profile, on the loopback address only', () => {
    const published = [...compose.matchAll(/^ +- (\S*:\d+)$/gm)].map(([, port]) => port);
    assert.deepEqual(published, [
      '127.0.0.1:${PORT:-8000}:8000',
      '127.0.0.1:${PROMETHEUS_PORT:-9090}:9090',
      '127.0.0.1:${GRAFANA_PORT:-3000}:3000',
    ]);
  });

  it('name files that exist', () => {
    const mounted = [...compose.matchAll(/^ +- \.\/([^:]+):/gm)].map(([, path = '']) => path);
    assert.equal(mounted[0], 'docker/init.sql');
    assert.ok(mounted.slice(1).every((path) => path.startsWith('docker/observability/')));
    const [, built = ''] = /dockerfile: (\S+)/.exec(compose) ?? [];
    const started = [...dockerfile.matchAll(/"((?:src|scripts)\/[^"]+)"/g)].map(([, path = '']) => path);
    assert.deepEqual(started, ['scripts/health.ts', 'src/main.ts']);
    for (const path of [...mounted, built, ...started])
      assert.ok(existsSync(resolve(root, path)), `${path} does not exist`);
  });

  it('run on the Node release that package.json asks for', () => {
    const { engines } = JSON.parse(read('package.json')) as { engines: { node: string } };
    const releases = new Set([...dockerfile.matchAll(/^FROM node:(\d+)-/gm)].map(([, release]) => `>=${release}`));
    assert.deepEqual([...releases], [engines.node]);
  });

  it('let nothing into the image that .dockerignore does not name', () => {
    const rules = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'));
    assert.equal(rules[0], '*');
    assert.deepEqual(rules.slice(1).toSorted(), [
      '!.npmrc',
      '!LICENSE',
      '!package-lock.json',
      '!package.json',
      '!scripts',
      '!simulator',
      '!src',
    ]);
  });
});
