import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { problemLines } from '../../../../src/db/embedded/server-log.ts';

const line = (text: string) => `2026-11-22 15:41:42.677 UTC [22723] ${text}`;

describe('problemLines', () => {
  it('keeps what explains a failure, and drops the rest', () => {
    const problems = [
      line('LOG:  could not bind IPv4 address "127.0.0.1": Address already in use'),
      line('HINT:  Is another postmaster already running on port 5432?'),
      line('WARNING:  could not create listen socket for "127.0.0.1"'),
      line('FATAL:  could not create any TCP/IP sockets'),
    ];
    const log = [line('LOG:  starting PostgreSQL 18.4'), ...problems, line('LOG:  database system is shut down'), ''];
    assert.deepEqual(problemLines(log.join('\n')), problems);
  });

  it('answers the last lines where none tells of a problem, and never more than twelve', () => {
    assert.deepEqual(problemLines('exec format error\n'), ['exec format error']);
    const many = Array.from({ length: 30 }, (_, index) => line(`ERROR:  number ${index}`));
    assert.deepEqual(problemLines(many.join('\n')), many.slice(-12));
    assert.deepEqual(problemLines(''), []);
  });
});
