import { Counter as PromCounter, Gauge, Histogram as PromHistogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { Counter, Histogram, MetricOptions, Metrics } from './metrics.ts'

/** Metrics in prom-client's registry, with those of the process itself (`process_…`, `nodejs_…`). Names are unique:
 *  asking for one twice throws, since it would be two components counting into one. */
export class PromMetrics implements Metrics {
  readonly #registry = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
  }

  counter(options: MetricOptions): Counter {
    const counter = new PromCounter(this.#configurationOf(options))
    return { add: (amount, labels) => (labels === undefined ? counter.inc(amount) : counter.inc(labels, amount)) }
  }

  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): Histogram {
    const histogram = new PromHistogram({ ...this.#configurationOf(options), buckets: [...options.buckets] })
    return { observe: (value, labels) => (labels === undefined ? histogram.observe(value) : histogram.observe(labels, value)) }
  }

  gauge(options: MetricOptions, read: () => number): void {
    void new Gauge({
      ...this.#configurationOf(options),
      collect() {
        this.set(read())
      },
    })
  }

  async expose(): Promise<{ readonly contentType: string; readonly body: string }> {
    return { contentType: this.#registry.contentType, body: await this.#registry.metrics() }
  }

  #configurationOf({ name, help, labels = [] }: MetricOptions) {
    return { name, help, labelNames: [...labels], registers: [this.#registry] }
  }
}
