import { Counter, Gauge, Registry } from 'prom-client';

/** Gives one sample. */
type Give<Label extends string> = (labels: Record<Label, string>, value: number) => void;

/**
 * Metrics `candlekeep_*` that are read from those who know them at the moment when somebody asks: nothing is counted
 * twice, and what is over is not told any more.
 */
export class MetricRegistry {
  readonly registry = new Registry();

  /** `read` gives the samples of now; what it leaves out is not told. */
  gauge<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (set: Give<Label>) => void,
  ): void {
    const gauge = new Gauge<Label>({
      name: `candlekeep_${name}`,
      help,
      labelNames,
      registers: [this.registry],
      collect: () => {
        gauge.reset();
        // One without labels is 0 after a reset: what is not known yet is not 0.
        if (labelNames.length === 0) gauge.remove();
        read((labels, value) => gauge.set(labels, value));
      },
    });
  }

  /** A counter of something that others count since the start of the process. */
  counter<Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    read: (add: Give<Label>) => void,
  ): void {
    const counter = new Counter<Label>({
      name: `candlekeep_${name}`,
      help,
      labelNames,
      registers: [this.registry],
      collect: () => {
        counter.reset();
        read((labels, value) => counter.inc(labels, value));
      },
    });
  }

  /** A gauge without labels that is not there while `read` answers null. */
  value(name: string, help: string, read: () => number | null): void {
    this.gauge(name, help, [], (set) => {
      const value = read();
      if (value !== null) set({}, value);
    });
  }
}
