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

test('the process itself is measured', async () => {
  const { body } = await new PromMetrics().expose()
  assert.match(body, /^process_resident_memory_bytes [1-9]/m)
  assert.match(body, /^nodejs_eventloop_lag_seconds /m)
})

test('a name is taken once', () => {
  const metrics = new PromMetrics()
  metrics.counter({ name: 'shoal_a_total', help: 'A' })
  assert.throws(() => metrics.counter({ name: 'shoal_a_total', help: 'A again' }))
})
