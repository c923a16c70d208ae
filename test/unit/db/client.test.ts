import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { withLibpqMeaning } from '../../../src/db/client.ts';

describe('withLibpqMeaning', () => {
  it('asks for libpq’s sslmode where one is named, and leaves every other URL alone', () => {
    const plain = 'postgresql://u:p@h/d';
    assert.equal(withLibpqMeaning(plain), plain);
    assert.equal(withLibpqMeaning(`${plain}?sslmode=require`), `${plain}?sslmode=require&uselibpqcompat=true`);
    const own = `${plain}?sslmode=require&uselibpqcompat=false`;
    assert.equal(withLibpqMeaning(own), own);
  });
});
