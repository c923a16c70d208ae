import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { describe, it } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parquetReadObjects } from 'hyparquet';
import { ParquetEncoder } from '../../../../src/http/formats/parquet-encoder.ts';
import { writeParquet } from '../../../../src/http/formats/parquet.ts';

const LAYOUT = { columns: [{ name: 'close', kind: 'decimal' }], numbers: 'string' } as const;
const PAGE_ROWS = 12_000;

/** Pages of one candle a minute, the close of each its number. */
async function* pagesOf(count: number, onEnd: () => void = () => undefined) {
  try {
    for (let page = 0; page < count; page++) {
      const lines = Array.from({ length: PAGE_ROWS }, (_, place) => {
        const row = page * PAGE_ROWS + place;
        return `${new Date(row * 60_000).toISOString()},${row}.5\n`;
      });
      yield await Promise.resolve({ lines: Buffer.from(lines.join('')) });
    }
  } finally {
    onEnd();
  }
}

/** How many threads run. */
let threads = 0;
process.on('worker', (thread) => {
  threads++;
  thread.once('exit', () => threads--);
});

describe('writeParquet', () => {
  it('writes pages in row groups that readers take', async () => {
    const pieces = await Array.fromAsync(writeParquet(pagesOf(3), LAYOUT));
    assert.equal(pieces.length, 4);
    const rows = await parquetReadObjects({ file: new Uint8Array(Buffer.concat(pieces)).buffer });
    assert.equal(rows.length, 3 * PAGE_ROWS);
    const last = 3 * PAGE_ROWS - 1;
    assert.deepEqual(rows[last], { timestamp: new Date(last * 60_000), close: `${last}.5` });
  });

  it('encodes in a thread of its own, so that nothing else has to wait', async () => {
    const pages = await Array.fromAsync(pagesOf(20));
    const [whole, here] = [process.cpuUsage(), process.threadCpuUsage()];
    for await (const piece of writeParquet(Readable.from(pages), LAYOUT)) assert.ok(piece.length > 0);
    const total = process.cpuUsage(whole).user;
    const own = process.threadCpuUsage(here).user;
    assert.ok(own < total / 3, `this thread took ${own} of ${total} µs`);
  });

  it('ends the thread and the pages with a reader that leaves, and with pages that fail', async () => {
    let ended = 0;
    for await (const piece of writeParquet(
      pagesOf(3, () => ended++),
      LAYOUT,
    )) {
      assert.ok(piece.length > 0);
      assert.equal(threads, 1);
      break;
    }
    assert.deepEqual([ended, threads], [1, 0]);
    const failing = (async function* () {
      yield* pagesOf(1);
      throw new Error('the database has gone');
    })();
    await assert.rejects(Array.fromAsync(writeParquet(failing, LAYOUT)), /the database has gone/);
    assert.equal(threads, 0);
  });

  it('fails with what broke in the thread', async () => {
    // No page has such a time; the encoder throws where it works.
    const broken = { columns: [{ name: 'close', kind: 'decimal' }], numbers: 'float' } as const;
    const lines = Buffer.from('no time,1\n');
    await assert.rejects(Array.fromAsync(writeParquet(Readable.from([{ lines }]), broken)), /NaN cannot be converted/);
  });

  it('keeps nothing of what it has written', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const encoder = new ParquetEncoder(LAYOUT);
    const encode = async (pages: number) => {
      // Texts that are long enough for the engine to make them parts of the whole page's.
      for await (const { lines } of pagesOf(pages))
        await encoder.encode(Buffer.from(lines.toString().replaceAll('.5\n', '.123456789012345678\n')));
      collect();
      return process.memoryUsage().heapUsed;
    };
    await encode(3);
    const [before, after] = [await encode(1), await encode(20)];
    const grownBy = (after - before) / 20;
    assert.ok(grownBy < 100_000, `${Math.round(grownBy)} bytes a page`);
  });
});
