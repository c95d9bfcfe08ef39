import { AggregatorRegistry, Counter as PromCounter, Gauge, Registry, collectDefaultMetrics } from 'prom-client'
import type { Metric, MetricObjectWithValues, MetricValue } from 'prom-client'
import { BucketCounts } from './bucket-counts.ts'
import { ByLabels } from './by-labels.ts'
import type { Counter, Histogram, LabelledValue, MetricOptions, Metrics } from './metrics.ts'

/** What a registry has counted, as data for another thread. */
export type CountedMetrics = readonly MetricObjectWithValues<MetricValue<string>>[]

const NO_LABELS = {}

/** Metrics in prom-client's registry, with those of the process itself (`process_…`, `nodejs_…`) unless they are a thread's. Names
 *  are unique: asking for one twice throws, since it would be two components counting into one. */
export class PromMetrics implements Metrics {
  readonly #registry = new Registry()
  #others: () => Promise<readonly CountedMetrics[]> = () => Promise.resolve([])

  constructor({ ofProcess = true }: { readonly ofProcess?: boolean } = {}) {
    if (ofProcess) collectDefaultMetrics({ register: this.#registry })
  }

  /** What has been counted so far. */
  counted(): Promise<CountedMetrics> {
    return this.#registry.getMetricsAsJSON()
  }

  /** From now on what others have counted is added to metrics of the same name when they are exposed. */
  include(others: () => Promise<readonly CountedMetrics[]>): void {
    this.#others = others
  }

  counter(options: MetricOptions): Counter {
    const added = new ByLabels(options.labels ?? [], () => ({ amount: 0 }))
    void new PromCounter({
      ...this.#configurationOf(options),
      collect() {
        for (const { labels, value } of added.all()) {
          this.inc(labels, value.amount)
          value.amount = 0
        }
      },
    })
    return {
      add(amount, labels = NO_LABELS) {
        added.of(labels).amount += amount
      },
    }
  }

  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): Histogram {
    const counts = new BucketCounts(options)
    // All that the registry asks of a metric is there; what the class of its own has beside is for who observes.
    this.#registry.registerMetric(counts as unknown as Metric)
    return counts
  }

  gauge(options: MetricOptions, read: () => number | readonly LabelledValue[]): void {
    void new Gauge({
      ...this.#configurationOf(options),
      collect() {
        const values = read()
        if (typeof values === 'number') return this.set(values)
        this.reset()
        for (const { labels, value } of values) this.set(labels, value)
      },
    })
  }

  async expose(): Promise<{ readonly contentType: string; readonly body: string }> {
    const { contentType } = this.#registry
    const others = await this.#others()
    if (others.length === 0) return { contentType, body: await this.#registry.metrics() }
    const own = await this.counted()
    const shared = new Set(others.flatMap((counted) => counted.map(({ name }) => name)))
    const sums = AggregatorRegistry.aggregate([...others, own.filter(({ name }) => shared.has(name))] as object[])
    const texts = own.map(({ name }) => (shared.has(name) ? sums : this.#registry).getSingleMetricAsString(name))
    return { contentType, body: `${(await Promise.all(texts)).join('\n\n')}\n` }
  }

  #configurationOf({ name, help, labels = [] }: MetricOptions) {
    return { name, help, labelNames: [...labels], registers: [this.#registry] }
  }
}
