import { execFileSync } from 'node:child_process';

const PROMTOOL = process.env['PROMTOOL'] ?? 'promtool';

/** Why tests that need promtool are skipped; null where there is one. */
export const PROMTOOL_SKIP = isInstalled() ? null : 'no promtool on the PATH (or in PROMTOOL): its checks were not run';

/** @throws Error with what it says, where it finds a fault. */
export function runPromtool(args: readonly string[], cwd: string): void {
  execFileSync(PROMTOOL, args, { cwd, encoding: 'utf8', stdio: 'pipe' });
}

function isInstalled(): boolean {
  try {
    execFileSync(PROMTOOL, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
