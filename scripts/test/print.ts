import type { CheckOutcome, FileOutcome, LaneCost, RunOutcome } from './outcome.ts';

const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

/** One line, and everything it said where it failed. */
export function printCheck({ name, isOk, ms, text }: CheckOutcome): void {
  console.log(`${isOk ? '✔' : '✖'} ${name} (${seconds(ms)})`);
  if (!isOk) console.log(text.trimEnd());
}

/** One line and what was skipped; all that the file said where it failed, or where `isWhole` asks for it. */
export function printFile({ file, passed, failed, skipped, ms, text }: FileOutcome, isWhole: boolean): void {
  const isOk = failed.length === 0;
  console.log(`${isOk ? '✔' : '✖'} ${file}: ${passed} passed (${seconds(ms)})`);
  if (!isOk || isWhole) console.log(text.trimEnd());
  else for (const name of skipped) console.log(`  ﹣ skipped: ${name}`);
}

export function printCosts(costs: readonly LaneCost[]): void {
  console.log('');
  for (const { lane, wallMs, cpuMs } of costs)
    console.log(`${lane}: ${seconds(wallMs)}${cpuMs === null ? '' : `, ${seconds(cpuMs)} of processor time`}`);
}

/** Each file's time and processor time, the longest first. */
export function printDurations({ files, cpuMs }: RunOutcome): void {
  console.log('\n   time      cpu  file');
  for (const { file, ms } of files.toSorted((one, other) => other.ms - one.ms)) {
    const cpu = cpuMs.get(file);
    console.log(`${seconds(ms).padStart(8)} ${(cpu === undefined ? '?' : seconds(cpu)).padStart(8)}  ${file}`);
  }
}

/** Every failure again, and as the last line what was counted. */
export function printSummary({ files, failedChecks }: RunOutcome, emptyLanes: readonly string[]): void {
  const failed = files.flatMap((file) => file.failed);
  const problems = [
    ...failedChecks.map((name) => `npm run ${name}`),
    ...failed,
    ...emptyLanes.map((lane) => `the lane ${lane} ran no test`),
  ];
  if (problems.length > 0) console.log('\nfailed:');
  for (const problem of problems) console.log(`  ✖ ${problem}`);
  const passed = files.reduce((sum, file) => sum + file.passed, 0);
  const skipped = files.reduce((sum, file) => sum + file.skipped.length, 0);
  console.log(`\n${passed} passed, ${failed.length} failed, ${skipped} skipped`);
}
