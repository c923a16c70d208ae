import type { Logger } from './logger.ts';

export interface ServiceContext {
  /** Aborts when the service must end its background work. */
  readonly signal: AbortSignal;
  /** Reports, once, that background work ended with an error which the process cannot survive. */
  readonly fail: (error: unknown) => void;
}

/**
 * A part of the process that lives as long as the process does.
 *
 * `start` resolves when it is ready to be used. `stop` is idempotent, safe after a failed start, and resolves when
 * work in flight has settled.
 */
export interface Service {
  readonly name: string;
  start(context: ServiceContext): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Starts services in order and registers each for stopping in reverse order on `stack`, also when its start fails.
 * A stop that throws is logged, so that those after it still run.
 */
export async function startAll(
  services: readonly Service[],
  stack: AsyncDisposableStack,
  context: ServiceContext,
  logger: Logger,
): Promise<void> {
  for (const service of services) {
    context.signal.throwIfAborted();
    stack.defer(async () => {
      try {
        await service.stop();
        logger.debug({ service: service.name }, 'service stopped');
      } catch (error) {
        logger.error({ service: service.name, err: error }, 'service failed to stop');
      }
    });
    await service.start(context);
    logger.debug({ service: service.name }, 'service started');
  }
}
