import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { formatCursor, parseCursor } from '../../../../src/http/live/cursor.ts';
import { EventQueue } from '../../../../src/http/live/event-queue.ts';

const eventOf = (index: number, data = `{"n":${index}}`) => ({ id: `id${index}`, type: 'candle', data });

describe('EventQueue', () => {
  it('gives what was put in, in order, as server-sent events', () => {
    const queue = new EventQueue({ limits: { events: 3, characters: 1000 } });
    assert.equal(queue.take(), null);
    queue.push(eventOf(1));
    queue.push(eventOf(2));
    assert.equal(queue.isEmpty, false);
    assert.equal(queue.take(), 'id: id1\nevent: candle\ndata: {"n":1}\n\n');
    assert.equal(queue.take(), 'id: id2\nevent: candle\ndata: {"n":2}\n\n');
    assert.equal(queue.take(), null);
    assert.equal(queue.isEmpty, true);
  });

  it('drops the oldest beyond its bounds, and says how many, since when, and where to begin again', () => {
    let nowMs = 1_000;
    const queue = new EventQueue({ limits: { events: 3, characters: 1000 }, now: () => nowMs });
    queue.push(eventOf(0));
    queue.take();
    for (let index = 1; index <= 8; index++) {
      nowMs = index * 1_000;
      queue.push(eventOf(index));
    }
    assert.equal(
      queue.take(),
      'event: dropped\ndata: {"count":5,"since":"1970-01-01T00:00:01.000Z","resume_from":"id0"}\n\n',
    );
    assert.deepEqual(
      [queue.take(), queue.take(), queue.take(), queue.take()].map((text) => text?.split('\n')[0]),
      ['id: id6', 'id: id7', 'id: id8', undefined],
    );
  });

  it('drops by length too, but keeps one event however long', () => {
    const queue = new EventQueue({ limits: { events: 100, characters: 50 } });
    queue.push(eventOf(1, 'x'.repeat(30)));
    queue.push(eventOf(2, 'y'.repeat(200)));
    assert.match(queue.take() ?? '', /"count":1,.*"resume_from":null/);
    assert.match(queue.take() ?? '', /^id: id2\n/);
    queue.push(eventOf(3, 'z'.repeat(30)));
    assert.match(queue.take() ?? '', /^id: id3\n/);
    assert.equal(queue.take(), null);
  });

  it('keeps its order over many turns', () => {
    const queue = new EventQueue({ limits: { events: 50, characters: 100_000 } });
    const taken: string[] = [];
    for (let index = 0; index < 1000; index++) {
      queue.push(eventOf(index));
      if (index % 3 > 0) taken.push(queue.take() ?? '');
      if (index % 100 === 99) for (let text = queue.take(); text !== null; text = queue.take()) taken.push(text);
    }
    assert.deepEqual(
      taken.map((text) => Number(/^id: id(\d+)/.exec(text)?.[1])),
      Array.from({ length: 1000 }, (_, index) => index),
    );
  });
});

describe('a cursor', () => {
  it('is read as it was written, and nothing else is read', () => {
    const cursor = { run: 'a1b2', sequence: 12, at: 1_767_225_600_123, revision: '9007199254740993' };
    assert.deepEqual(parseCursor(formatCursor(cursor)), cursor);
    for (const text of [
      '',
      '1',
      'a.b.c.d',
      'a1.1.1',
      `${formatCursor(cursor)}.1`,
      'a1.-1.1.1',
      `a.1.1.${'9'.repeat(19)}`,
    ])
      assert.equal(parseCursor(text), null, text);
  });
});
