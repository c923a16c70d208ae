/**
 * Shares streams out over lines of at most `capacity` each. A stream stays on the line that has it; new ones fill the
 * lines that have room, in order, those that were emptied last, and then new lines. Answers the sets in the order of
 * `current`, empty where nothing is left of a line, with the new lines' sets after them.
 */
export function assignStreams(
  current: readonly ReadonlySet<string>[],
  wanted: ReadonlySet<string>,
  capacity: number,
): Set<string>[] {
  const lines = current.map((streams) => new Set([...streams].filter((stream) => wanted.has(stream))));
  const placed = new Set(lines.flatMap((streams) => [...streams]));
  // Lines that still carry something come first, so that one that was emptied may end.
  const open = lines.toSorted((a, b) => Number(a.size === 0) - Number(b.size === 0));
  for (const stream of wanted) {
    if (placed.has(stream)) continue;
    while ((open[0]?.size ?? 0) >= capacity) open.shift();
    let [line] = open;
    if (line === undefined) {
      line = new Set();
      lines.push(line);
      open.push(line);
    }
    line.add(stream);
  }
  return lines;
}
