import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, it } from 'node:test';
import { loadPageAssets, toBrowserModule } from '../../../../src/http/page/page-assets.ts';
import { createTestApp } from '../in-memory.ts';

describe('the files of the page', () => {
  it('are modules without types, whose imports are all served', async () => {
    const assets = await loadPageAssets();
    for (const [name, { body }] of assets) {
      if (!name.endsWith('.ts')) continue;
      const text = body.toString();
      assert.doesNotMatch(text, /\binterface \w+ \{|\bimport type\b|: string\b/, name);
      for (const [, target = ''] of text.matchAll(/^(?:import|\} from|export .* from).*'([^']+)';$/gm))
        assert.ok(assets.has(target.replace('./', '')), `${name} imports ${target}, which is not served`);
    }
    assert.ok(assets.has('main.ts'));
  });

  it('import the chart library by the path that it is served at', () => {
    assert.equal(
      toBrowserModule(`import { createChart } from 'lightweight-charts';`),
      `import { createChart } from './lightweight-charts.mjs';`,
    );
  });

  it('are stripped without a word on standard error, and leave warnings on', () => {
    // A process of its own: Node warns of each thing once.
    const file = new URL('../../../../src/http/page/page-assets.ts', import.meta.url).href;
    const script = `import { toBrowserModule } from ${JSON.stringify(file)};
      toBrowserModule('const a: number = 1;');
      process.emitWarning('still heard');`;
    const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', script]);
    assert.equal(status, 0, stderr.toString());
    assert.match(stderr.toString(), /still heard/);
    assert.doesNotMatch(stderr.toString(), /Experimental/);
  });

  it('name no other host and hold nothing inline', async () => {
    const html = (await loadPageAssets()).get('index.html')?.body.toString() ?? '';
    assert.doesNotMatch(html, /\sstyle=|<style|\son\w+=/);
    assert.doesNotMatch(html, /<script(?![^>]* src=)/);
    const loaded = [...html.matchAll(/<(?:script|link|img)[^>]*(?:src|href)="([^"]+)"/g)].map(([, path]) => path);
    assert.ok(loaded.length >= 6);
    const { app } = createTestApp();
    for (const path of loaded) assert.equal((await app.inject(path ?? '')).statusCode, 200, path);
  });
});

describe('GET /', () => {
  it('answers the page in every phase, with a policy that lets nothing in from elsewhere', async () => {
    const { app } = createTestApp();
    const response = await app.inject('/');
    assert.equal(response.statusCode, 200);
    assert.equal(response.headers['content-type'], 'text/html; charset=utf-8');
    const policy = String(response.headers['content-security-policy']);
    assert.match(policy, /default-src 'self'/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
  });

  it('answers a file once, and 304 as long as it is the same', async () => {
    const { app } = createTestApp();
    const first = await app.inject('/page/theme.css');
    assert.equal(first.headers['content-type'], 'text/css; charset=utf-8');
    const etag = String(first.headers.etag);
    const again = await app.inject({ url: '/page/theme.css', headers: { 'if-none-match': etag } });
    assert.deepEqual([again.statusCode, again.body], [304, '']);
  });

  it('serves no other file', async () => {
    const { app } = createTestApp();
    for (const path of ['/page/tsconfig.json', '/page/..%2fpage-assets.ts', '/page/nothing.ts']) {
      const response = await app.inject(path);
      assert.equal(response.statusCode, 404, path);
      assert.match(String(response.headers['content-type']), /problem\+json/);
    }
  });
});
