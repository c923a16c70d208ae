import type { HttpApp } from '../protocol/http-app.ts';
import { describeRoute, TEXT_BODY } from '../protocol/route-schema.ts';

/** What the route needs of the metrics. */
export interface MetricsPort {
  readonly contentType: string;
  /** The text of all metrics; asks nothing but memory. */
  render(): Promise<string>;
}

export interface MetricsRoutesDeps {
  readonly metrics: MetricsPort;
}

const metricsSchema = describeRoute(
  {
    id: 'readMetrics',
    chapter: 'Service',
    access: 'open',
    summary: "Metrics in Prometheus' text format",
    answers: { 200: { description: 'All metrics.', content: { 'text/plain': TEXT_BODY } } },
  },
  {},
);

/** `GET /metrics`: Prometheus' text format, in every phase. */
export function registerMetricsRoutes(app: HttpApp, { metrics }: MetricsRoutesDeps): void {
  app.get('/metrics', { schema: metricsSchema }, async (_request, reply) => {
    const text = await metrics.render();
    return await reply.type(metrics.contentType).send(text);
  });
}
