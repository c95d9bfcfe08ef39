import type { Counter, Histogram, Metrics } from '#observe/metrics.ts'

/** Seconds: from a cached answer to the upload of a large file. */
const DURATION_BUCKETS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const STATUS_SLOTS = 600

interface DoorCounts {
  readonly labels: { readonly door: string }
  readonly byMethod: Map<string, Uint32Array>
  bytesIn: number
  bytesOut: number
}

/** Counts requests. The hot path adds to plain numbers; `flush` hands the sums on: call it before metrics are exposed. */
export class HttpMetrics {
  readonly #requests: Counter
  readonly #bytesIn: Counter
  readonly #bytesOut: Counter
  readonly #durations: Histogram
  readonly #doors = new Map<string, DoorCounts>()
  inFlight = 0
  connections = 0

  constructor(metrics: Metrics) {
    this.#requests = metrics.counter({
      name: 'shoal_http_requests_total',
      help: 'Requests answered',
      labels: ['door', 'method', 'status'],
    })
    this.#bytesIn = metrics.counter({
      name: 'shoal_http_received_bytes_total',
      help: 'Bytes read from clients',
      labels: ['door'],
    })
    this.#bytesOut = metrics.counter({ name: 'shoal_http_sent_bytes_total', help: 'Bytes written to clients', labels: ['door'] })
    this.#durations = metrics.histogram({
      name: 'shoal_http_request_duration_seconds',
      help: 'From the headers of a request to the end of its response',
      labels: ['door'],
      buckets: DURATION_BUCKETS,
    })
    metrics.gauge({ name: 'shoal_http_requests_in_flight', help: 'Requests under way' }, () => this.inFlight)
    metrics.gauge({ name: 'shoal_http_connections', help: 'Open client connections' }, () => this.connections)
  }

  record(
    door: string,
    request: {
      readonly method: string
      readonly status: number
      readonly durationMs: number
      readonly bytesIn: number
      readonly bytesOut: number
    },
  ): void {
    let counts = this.#doors.get(door)
    if (counts === undefined) {
      counts = { labels: { door }, byMethod: new Map(), bytesIn: 0, bytesOut: 0 }
      this.#doors.set(door, counts)
    }
    let statuses = counts.byMethod.get(request.method)
    if (statuses === undefined) {
      statuses = new Uint32Array(STATUS_SLOTS)
      counts.byMethod.set(request.method, statuses)
    }
    statuses[request.status] = (statuses[request.status] ?? 0) + 1
    counts.bytesIn += request.bytesIn
    counts.bytesOut += request.bytesOut
    this.#durations.observe(request.durationMs / 1000, counts.labels)
  }

  flush(): void {
    for (const [door, counts] of this.#doors) {
      for (const [method, statuses] of counts.byMethod) {
        statuses.forEach((count, status) => {
          if (count > 0) this.#requests.add(count, { door, method, status: String(status) })
        })
        statuses.fill(0)
      }
      if (counts.bytesIn > 0) this.#bytesIn.add(counts.bytesIn, counts.labels)
      if (counts.bytesOut > 0) this.#bytesOut.add(counts.bytesOut, counts.labels)
      counts.bytesIn = 0
      counts.bytesOut = 0
    }
  }
}
