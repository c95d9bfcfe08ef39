import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PromMetrics } from './prom-metrics.ts'

test('what is counted, observed and read is exposed in the text format', async () => {
  const metrics = new PromMetrics()
  const requests = metrics.counter({ name: 'shoal_requests_total', help: 'Requests', labels: ['method'] })
  const bytes = metrics.counter({ name: 'shoal_bytes_total', help: 'Bytes' })
  const seconds = metrics.histogram({ name: 'shoal_request_seconds', help: 'Durations', labels: ['method'], buckets: [0.1, 1] })
  const sizes = metrics.histogram({ name: 'shoal_sizes_bytes', help: 'Sizes', buckets: [1] })
  let free = 1
  metrics.gauge({ name: 'shoal_free_bytes', help: 'Free' }, () => free)
  requests.add(2, { method: 'GET' })
  requests.add(1, { method: 'PUT' })
  bytes.add(7)
  seconds.observe(0.5, { method: 'GET' })
  sizes.observe(1)
  free = 42

  const { contentType, body } = await metrics.expose()
  assert.match(contentType, /^text\/plain; version=0\.0\.4/)
  const lines = body.split('\n')
  for (const line of [
    'shoal_requests_total{method="GET"} 2',
    'shoal_requests_total{method="PUT"} 1',
    'shoal_bytes_total 7',
    'shoal_request_seconds_bucket{le="0.1",method="GET"} 0',
    'shoal_request_seconds_bucket{le="1",method="GET"} 1',
    'shoal_sizes_bytes_count 1',
    'shoal_free_bytes 42',
  ]) {
    assert.ok(lines.includes(line), `${line} is not in:\n${body}`)
  }
})

test('each set of labels has counts of its own, which add up from one collection to the next', async () => {
  const metrics = new PromMetrics({ ofProcess: false })
  const requests = metrics.counter({ name: 'shoal_requests_total', help: 'Requests', labels: ['door', 'method'] })
  const seconds = metrics.histogram({ name: 'shoal_seconds', help: 'Durations', labels: ['door'], buckets: [0.5, 1] })
  for (let time = 1; time <= 2; time += 1) {
    requests.add(1, { door: 's3', method: 'GET' })
    requests.add(2, { method: 'PUT', door: 's3' })
    for (const value of [0.5, 0.75, 2]) seconds.observe(value, { door: 's3' })
    seconds.observe(1, { door: 'rest' })
    const { body } = await metrics.expose()
    const lines = body.split('\n')
    for (const line of [
      `shoal_requests_total{door="s3",method="GET"} ${time}`,
      `shoal_requests_total{door="s3",method="PUT"} ${2 * time}`,
      `shoal_seconds_bucket{le="0.5",door="s3"} ${time}`,
      `shoal_seconds_bucket{le="1",door="s3"} ${2 * time}`,
      `shoal_seconds_bucket{le="+Inf",door="s3"} ${3 * time}`,
      `shoal_seconds_sum{door="s3"} ${3.25 * time}`,
      `shoal_seconds_count{door="s3"} ${3 * time}`,
      `shoal_seconds_bucket{le="0.5",door="rest"} 0`,
    ])
      assert.ok(lines.includes(line), `${line} is not in:\n${body}`)
  }
})

test('the process itself is measured', async () => {
  const { body } = await new PromMetrics().expose()
  assert.match(body, /^process_resident_memory_bytes [1-9]/m)
  assert.match(body, /^nodejs_eventloop_lag_seconds /m)
})

test('a gauge with labels has what is told when it is collected, and nothing else', async () => {
  const metrics = new PromMetrics({ ofProcess: false })
  let values = [
    { labels: { side: 'a' }, value: 1 },
    { labels: { side: 'b' }, value: 2 },
  ]
  metrics.gauge({ name: 'shoal_open', help: 'Open', labels: ['side'] }, () => values)
  assert.match((await metrics.expose()).body, /^shoal_open\{side="a"\} 1\nshoal_open\{side="b"\} 2$/m)
  values = [{ labels: { side: 'b' }, value: 3 }]
  const { body } = await metrics.expose()
  assert.match(body, /^shoal_open\{side="b"\} 3$/m)
  assert.doesNotMatch(body, /side="a"/)
})

test('a name is taken once', () => {
  const metrics = new PromMetrics()
  metrics.counter({ name: 'shoal_a_total', help: 'A' })
  assert.throws(() => metrics.counter({ name: 'shoal_a_total', help: 'A again' }))
})

test('what threads have counted is added to metrics of the same name, and to no others', async () => {
  const make = (ofProcess: boolean) => {
    const metrics = new PromMetrics({ ofProcess })
    const requests = metrics.counter({ name: 'shoal_requests_total', help: 'Requests', labels: ['method'] })
    const seconds = metrics.histogram({ name: 'shoal_request_seconds', help: 'Durations', buckets: [0.1, 1] })
    return { metrics, requests, seconds }
  }
  const own = make(true)
  const thread = make(false)
  own.metrics.counter({ name: 'shoal_own_total', help: 'Own' }).add(3)
  own.requests.add(2, { method: 'GET' })
  own.seconds.observe(0.5)
  thread.requests.add(5, { method: 'GET' })
  thread.requests.add(1, { method: 'HEAD' })
  thread.seconds.observe(0.05)
  own.metrics.include(async () => [structuredClone(await thread.metrics.counted())])
  const { body } = await own.metrics.expose()
  const lines = body.split('\n')
  for (const line of [
    'shoal_requests_total{method="GET"} 7',
    'shoal_requests_total{method="HEAD"} 1',
    'shoal_request_seconds_bucket{le="0.1"} 1',
    'shoal_request_seconds_bucket{le="1"} 2',
    'shoal_request_seconds_count 2',
    'shoal_own_total 3',
  ])
    assert.ok(lines.includes(line), `${line} is not in:\n${body}`)
  assert.equal(lines.filter((line) => line === '# TYPE shoal_requests_total counter').length, 1)
  assert.match(body, /^process_resident_memory_bytes [1-9]/m)
})
