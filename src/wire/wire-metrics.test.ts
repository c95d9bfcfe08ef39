import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { WireMetrics } from './wire-metrics.ts'
import { readWhole, simulatePair } from './wire-fixture.suite.ts'

async function valueOf(metrics: PromMetrics, series: string): Promise<number | undefined> {
  const { body } = await metrics.expose()
  const line = body.split('\n').find((each) => each.startsWith(`${series} `))
  return line === undefined ? undefined : Number(line.slice(series.length))
}

test('calls are counted on both sides by method and outcome, with what they move, and the connections that are open', async () => {
  const [caller, answerer] = [new PromMetrics({ ofProcess: false }), new PromMetrics({ ofProcess: false })]
  const bytes = Buffer.alloc(300_000, 7)
  const { peers, server, address, settle } = await simulatePair(
    {
      'chunk.read': { handle: async () => ({ body: [bytes] }) },
      'chunk.write': {
        handle: async () => {
          throw new ShoalError('NO_SPACE', 'The test says so')
        },
      },
    },
    { callerMetrics: new WireMetrics(caller), serverMetrics: new WireMetrics(answerer) },
  )
  for (let count = 0; count < 2; count += 1) {
    const reply = peers.call(address, 'chunk.read')
    await settle()
    const whole = readWhole((await reply).body)
    await settle()
    assert.equal((await whole).length, bytes.length)
  }
  const refused = assert.rejects(peers.call(address, 'chunk.write'), { code: 'NO_SPACE' })
  const unknown = assert.rejects(peers.call(address, 'chunk.paint'), { code: 'UNSUPPORTED' })
  await settle()
  await Promise.all([refused, unknown])
  for (const [metrics, side] of [
    [caller, 'caller'],
    [answerer, 'answerer'],
  ] as const) {
    const calls = (method: string, outcome: string) =>
      valueOf(metrics, `shoal_wire_calls_total{side="${side}",method="${method}",outcome="${outcome}"}`)
    assert.equal(await calls('chunk.read', 'ok'), 2)
    assert.equal(await calls('chunk.write', 'NO_SPACE'), 1)
    // What a stranger may call its methods makes no series here.
    assert.equal(await calls('chunk.paint', 'UNSUPPORTED'), side === 'caller' ? 1 : undefined)
    assert.equal(await valueOf(metrics, `shoal_wire_connections{side="${side}"}`), 1)
  }
  const sent = await valueOf(answerer, 'shoal_wire_sent_bytes_total')
  assert.ok(sent !== undefined && sent > 600_000 && sent < 610_000)
  assert.equal(await valueOf(caller, 'shoal_wire_received_bytes_total'), sent)
  assert.equal(await valueOf(caller, 'shoal_wire_sent_bytes_total'), await valueOf(answerer, 'shoal_wire_received_bytes_total'))
  const closing = Promise.all([peers.close(), server.close()])
  await settle()
  await closing
  assert.equal(await valueOf(caller, 'shoal_wire_connections{side="caller"}'), 0)
  assert.equal(await valueOf(answerer, 'shoal_wire_connections{side="answerer"}'), 0)
})
