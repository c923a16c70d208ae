import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dataDirError, errnoOf, unlessMissing } from '../../../../src/db/embedded/data-dir.ts';
import { AppError } from '../../../../src/errors.ts';

const systemError = (code: string) => Object.assign(new Error(`${code}: it did not work`), { code });

describe('dataDirError', () => {
  it('says for each kind of failure what to do', () => {
    const cases: [string, string, RegExp][] = [
      ['ENOSPC', 'DATA_DIR_FULL', /make room/],
      ['EDQUOT', 'DATA_DIR_FULL', /make room/],
      ['EACCES', 'DATA_DIR_UNUSABLE', /chown/],
      ['EROFS', 'DATA_DIR_UNUSABLE', /read-only/],
      ['ENOTDIR', 'DATA_DIR_UNUSABLE', /must be a folder/],
      ['EIO', 'DATA_DIR_UNUSABLE', /DATABASE_URL/],
    ];
    for (const [errno, code, remedy] of cases) {
      const cause = systemError(errno);
      const error = dataDirError(cause, '/srv/data', 'write');
      assert.equal(error.code, code);
      assert.match(error.message, /^cannot write \/srv\/data: /);
      assert.match(error.message, remedy);
      assert.equal(error.cause, cause);
    }
  });

  it('passes an error that already says what to do', () => {
    const error = new AppError('DATA_DIR_IN_USE', 'stop the other one');
    assert.equal(dataDirError(error, '/srv/data', 'write'), error);
  });
});

describe('unlessMissing', () => {
  it('forgives a missing file only', () => {
    assert.equal(unlessMissing(systemError('ENOENT')), null);
    assert.throws(() => unlessMissing(systemError('EACCES')), { code: 'EACCES' });
    assert.equal(errnoOf('no error'), null);
  });
});
