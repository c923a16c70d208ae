import type { HttpApp } from '../http-app.ts';

/** What the route needs of the metrics. */
export interface MetricsPort {
  readonly contentType: string;
  /** The text of all metrics; asks nothing but memory. */
  render(): Promise<string>;
}

export interface MetricsRoutesDeps {
  readonly metrics: MetricsPort;
}

/** `GET /metrics`: Prometheus' text format, in every phase. */
export function registerMetricsRoutes(app: HttpApp, { metrics }: MetricsRoutesDeps): void {
  app.get('/metrics', async (_request, reply) => {
    const text = await metrics.render();
    return await reply.type(metrics.contentType).send(text);
  });
}
