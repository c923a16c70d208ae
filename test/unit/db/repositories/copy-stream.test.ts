import assert from 'node:assert/strict';
import { it } from 'node:test';
import { escapeCopyText } from '../../../../src/db/repositories/copy-stream.ts';

it('escapes what the text format of COPY gives a meaning', () => {
  assert.equal(escapeCopyText('BTC/USDT'), 'BTC/USDT');
  assert.equal(escapeCopyText('a\\N\tb\nc\r'), 'a\\\\N\\tb\\nc\\r');
});
