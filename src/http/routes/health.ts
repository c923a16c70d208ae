import { healthAnswer, liveAnswer, readyAnswer } from '../health/health-schema.ts';
import { describeHealth, isReady, type HealthProbes } from '../health/health.ts';
import type { HttpApp } from '../protocol/http-app.ts';
import { describeRoute } from '../protocol/route-schema.ts';

export interface HealthRoutesDeps {
  readonly version: string;
  readonly probes: HealthProbes;
  readonly uptimeSeconds: () => number;
}

const SERVICE = { chapter: 'Service', access: 'open' } as const;

const healthSchema = describeRoute(
  {
    ...SERVICE,
    id: 'getHealth',
    summary: 'The whole picture, also while the service cannot serve',
    answers: {
      503: {
        description: 'The same picture of a service that is starting, stopping or unhealthy',
        content: { 'application/json': healthAnswer },
      },
    },
  },
  {},
  healthAnswer,
);
const liveSchema = describeRoute({ ...SERVICE, id: 'isAlive', summary: 'The process answers' }, {}, liveAnswer);
const readySchema = describeRoute(
  {
    ...SERVICE,
    id: 'isReady',
    summary: 'It runs and its database is up: send it requests',
    answers: { 503: { description: 'Not yet, or no longer', content: { 'application/json': readyAnswer } } },
  },
  {},
  readyAnswer,
);

/**
 * `/health` (the whole picture), `/health/live` (the process answers), `/health/ready` (send it requests). None asks
 * the database.
 */
export function registerHealthRoutes(app: HttpApp, { version, probes, uptimeSeconds }: HealthRoutesDeps): void {
  app.get('/health', { schema: healthSchema }, (_request, reply) => {
    const health = describeHealth(probes, { version, uptimeSeconds: uptimeSeconds(), now: new Date() });
    const isServing = health.status === 'healthy' || health.status === 'degraded';
    void reply.code(isServing ? 200 : 503).send(health);
  });

  app.get('/health/live', { schema: liveSchema }, (_request, reply) => {
    void reply.send({ status: 'alive', phase: probes.phase() });
  });

  app.get('/health/ready', { schema: readySchema }, (_request, reply) => {
    const ready = isReady(probes);
    void reply.code(ready ? 200 : 503).send({
      status: ready ? 'ready' : 'not ready',
      phase: probes.phase(),
      phase_detail: probes.failure() ?? probes.progress(),
      database: probes.database(),
    });
  });
}
