import type { HealthDocument } from './health-schema.ts';
import { describeHealth, type HealthProbes } from './health.ts';

/** The data of a `health` event: what GET /health says, without what changes all the time. */
export type HealthSummary = Pick<HealthDocument, 'status' | 'phase' | 'reasons'>;

export function summarizeHealth(probes: HealthProbes): HealthSummary {
  const { status, phase, reasons } = describeHealth(probes, { version: '', uptimeSeconds: 0, now: new Date() });
  return { status, phase, reasons };
}
