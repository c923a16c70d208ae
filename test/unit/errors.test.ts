import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { messageOf, MigrationError, sqlStateOf } from '../../src/errors.ts';

const refused = Object.assign(new Error('duplicate key'), { code: '23505', severity: 'ERROR' });

describe('errors', () => {
  it('tell the whole chain of causes', () => {
    assert.equal(messageOf(new Error('outer', { cause: new Error('inner') })), 'outer: inner');
    assert.equal(messageOf(new Error('cannot: inner', { cause: new Error('inner') })), 'cannot: inner');
    assert.equal(messageOf('a text'), 'a text');
    assert.equal(messageOf(new AggregateError([new Error('one'), new Error('two')], '')), 'one; two');
  });

  it('find the SQLSTATE of whatever is underneath', () => {
    assert.equal(sqlStateOf(new Error('x', { cause: refused })), '23505');
    assert.equal(new MigrationError('x', { revision: '0001_a', cause: refused }).sqlState, '23505');
    assert.equal(sqlStateOf(Object.assign(new Error('socket'), { code: 'EPIPE' })), null);
  });
});
