import { ByLabels } from './by-labels.ts'
import type { Histogram, MetricOptions } from './metrics.ts'

/** A line of what is exposed. */
interface Value {
  readonly metricName: string
  readonly value: number
  readonly labels: Readonly<Record<string, string | number>>
}

const NONE = {}

/** A histogram as prom-client's registry takes one: what is observed is added to plain numbers, and put into its form when it is collected.
 *  prom-client's own sorts and joins the labels of each value, and looks through its buckets by their names. */
export class BucketCounts implements Histogram {
  readonly name: string
  readonly help: string
  readonly type = 'histogram'
  readonly aggregator = 'sum'
  readonly #bounds: readonly number[]
  readonly #counts: ByLabels<{ readonly buckets: Float64Array; sum: number; count: number }>

  /** `buckets`: upper bounds, ascending. */
  constructor({ name, help, labels = [], buckets }: MetricOptions & { readonly buckets: readonly number[] }) {
    this.name = name
    this.help = help
    this.#bounds = buckets
    this.#counts = new ByLabels(labels, () => ({ buckets: new Float64Array(buckets.length), sum: 0, count: 0 }))
  }

  observe(value: number, labels: Readonly<Record<string, string>> = NONE): void {
    const counts = this.#counts.of(labels)
    const bounds = this.#bounds
    let at = 0
    while (at < bounds.length && value > (bounds[at] as number)) at += 1
    // Beyond the last bound there is none: those are in the count alone.
    if (at < bounds.length) counts.buckets[at] = (counts.buckets[at] as number) + 1
    counts.sum += value
    counts.count += 1
  }

  /** For the registry. */
  async get() {
    const { name, help, type, aggregator } = this
    const values: Value[] = []
    for (const { labels, value: counts } of this.#counts.all()) {
      const add = (metricName: string, value: number, le?: number | '+Inf'): void => {
        values.push({ metricName: `${name}_${metricName}`, value, labels: le === undefined ? labels : { le, ...labels } })
      }
      let below = 0
      for (const [at, bound] of this.#bounds.entries()) {
        below += counts.buckets[at] as number
        add('bucket', below, bound)
      }
      add('bucket', counts.count, '+Inf')
      add('sum', counts.sum)
      add('count', counts.count)
    }
    return { name, help, type, aggregator, values }
  }
}
