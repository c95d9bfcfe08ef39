export interface Counter {
  add(amount: number, labels?: Readonly<Record<string, string>>): void
}

export interface Histogram {
  /** `value` in the unit that the metric's name ends with. */
  observe(value: number, labels?: Readonly<Record<string, string>>): void
}

export interface LabelledValue {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface MetricOptions {
  readonly name: string
  readonly help: string
  readonly labels?: readonly string[]
}

/** A registry of metrics named by Prometheus' conventions (`shoal_…_total`, `…_bytes`, `…_seconds`). */
export interface Metrics {
  counter(options: MetricOptions): Counter
  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): Histogram
  /** `read` is called when the metric is collected. With labels it tells the value for each set of them; of others there is none. */
  gauge(options: MetricOptions, read: () => number | readonly LabelledValue[]): void
  /** The registry in Prometheus' text exposition format. */
  expose(): Promise<{ readonly contentType: string; readonly body: string }>
}
