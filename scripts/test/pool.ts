/** Runs the tasks in their order, so many at once; a task that throws ends the pool after those that run. */
export async function runPool(tasks: readonly (() => Promise<void>)[], concurrency: number): Promise<void> {
  const rest = tasks.values();
  // All take from the one iterator.
  const work = async (): Promise<void> => {
    for (const task of rest) await task();
  };
  await Promise.all(Array.from({ length: concurrency }, work));
}
