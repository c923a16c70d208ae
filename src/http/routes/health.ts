import { describeHealth, isReady, type HealthProbes } from '../health.ts';
import type { HttpApp } from '../http-app.ts';

export interface HealthRoutesDeps {
  readonly version: string;
  readonly probes: HealthProbes;
  readonly uptimeSeconds: () => number;
}

/**
 * `/health` (the whole picture), `/health/live` (the process answers), `/health/ready` (send it requests). None asks
 * the database.
 */
export function registerHealthRoutes(app: HttpApp, { version, probes, uptimeSeconds }: HealthRoutesDeps): void {
  app.get('/health', (_request, reply) => {
    const health = describeHealth(probes, { version, uptimeSeconds: uptimeSeconds(), now: new Date() });
    const isServing = health.status === 'healthy' || health.status === 'degraded';
    return reply.code(isServing ? 200 : 503).send(health);
  });

  app.get('/health/live', (_request, reply) => reply.send({ status: 'alive', phase: probes.phase() }));

  app.get('/health/ready', (_request, reply) => {
    const ready = isReady(probes);
    return reply.code(ready ? 200 : 503).send({
      status: ready ? 'ready' : 'not ready',
      phase: probes.phase(),
      phase_detail: probes.failure() ?? probes.progress(),
      database: probes.database(),
    });
  });
}
