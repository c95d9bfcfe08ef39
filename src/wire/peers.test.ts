import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import type { Socket } from '#platform/sockets.ts'
import type { WireMethods } from './methods.ts'
import { CALLER_ID, SERVER_ID, provenAs, readWhole, simulatePair } from './wire-fixture.suite.ts'
import type { SimulatedOptions } from './wire-fixture.suite.ts'

const OTHER_ID = 'ee'.repeat(16) as NodeId
const OTHER_CLUSTER = 'c2'.repeat(16)

/** Fails as often as said, then answers with the number of the try. */
function flaky(failures: number, code: ErrorCode): { methods: WireMethods; tries: () => number } {
  let tries = 0
  const handle: WireMethods[string]['handle'] = async ({ body }) => {
    await readWhole(body)
    tries += 1
    if (tries <= failures) throw new ShoalError(code, 'Not yet')
    return { header: tries }
  }
  return { methods: { flaky: { handle } }, tries: () => tries }
}

describe('a call that fails', () => {
  const cases: readonly [string, ErrorCode, boolean, number][] = [
    ['is tried again after a delay if its error says so and it may be repeated', 'BUSY', true, 3],
    ['is not tried again if it may not be repeated', 'BUSY', false, 1],
    ['is not tried again if its error says never', 'NOT_FOUND', true, 1],
    ['is left to the caller if its error asks for another replica', 'CORRUPT', true, 1],
  ]
  for (const [name, code, isIdempotent, expected] of cases) {
    test(name, async () => {
      const { methods, tries } = flaky(2, code)
      const { peers, address, pass } = await simulatePair(methods)
      const outcome = peers.call(address, 'flaky', { isIdempotent }).then(
        ({ header }) => header,
        (error: ShoalError) => error.code,
      )
      await pass(2_000)
      assert.equal(await outcome, expected === 1 ? code : expected)
      assert.equal(tries(), expected)
    })
  }

  test('is tried four times and no more, and never past its deadline', async () => {
    const { methods, tries } = flaky(100, 'BUSY')
    const { peers, address, pass } = await simulatePair(methods)
    const outcome = assert.rejects(peers.call(address, 'flaky', { isIdempotent: true }), { code: 'BUSY' })
    await pass(5_000)
    await outcome
    assert.equal(tries(), 4)
    const short = assert.rejects(peers.call(address, 'flaky', { isIdempotent: true, deadlineMs: 20 }), { code: 'BUSY' })
    await pass(100)
    await short
    assert.equal(tries(), 5)
  })

  test('is tried again with a body that can be sent again, and with no other', async () => {
    const once = (async function* () {
      yield Buffer.from('x')
    })()
    const repeatable = [() => [Buffer.from('x')], [Buffer.from('x')]]
    for (const [body, expected] of [...repeatable.map((each) => [each, 2] as const), [once, 1] as const]) {
      const { methods, tries } = flaky(1, 'BUSY')
      const { peers, address, pass } = await simulatePair(methods)
      const outcome = peers.call(address, 'flaky', { isIdempotent: true, body }).catch(() => undefined)
      await pass(1_000)
      await outcome
      assert.equal(tries(), expected)
    }
  })
})

describe('a peer that is down', () => {
  test('fails calls at once until its backoff is over, and is called again when it is back', async () => {
    const { methods } = flaky(0, 'BUSY')
    const { peers, address, network, pass, clock } = await simulatePair(methods)
    await peers.call(address, 'flaky')
    network.kill('atlantic')
    await pass(10)
    const startMs = clock.monotonicMs()
    await assert.rejects(peers.call(address, 'flaky'), {
      code: 'UNAVAILABLE',
      message: /Cannot reach node a0a0.* at atlantic:7402: ECONNREFUSED/,
    })
    await assert.rejects(peers.call(address, 'flaky'), { code: 'UNAVAILABLE' })
    assert.equal(clock.monotonicMs(), startMs)
    await network
      .host('atlantic')
      .listen({ host: 'atlantic', port: 7402 }, { connectionsMax: 1, accepted: (socket) => socket.destroy(), failed() {} })
    await assert.rejects(
      peers.call(address, 'flaky'),
      { message: /ECONNREFUSED/ },
      'it was dialled again before its backoff was over',
    )
    await pass(200)
    await assert.rejects(peers.call(address, 'flaky'), { message: /ECONNRESET|closed/ })
  })

  test('and is said to be back is called at once, however long its backoff is', async () => {
    const { methods } = flaky(0, 'BUSY')
    const { peers, address, network, pass } = await simulatePair(methods)
    network.kill('atlantic')
    for (let tries = 0; tries < 8; tries += 1) {
      await assert.rejects(peers.call(address, 'flaky'), { message: /ECONNREFUSED/ })
      await pass(6_000)
    }
    await assert.rejects(peers.call(address, 'flaky'), { message: /ECONNREFUSED/ })
    await network
      .host('atlantic')
      .listen({ host: 'atlantic', port: 7402 }, { connectionsMax: 1, accepted: (socket) => socket.destroy(), failed() {} })
    await assert.rejects(peers.call(address, 'flaky'), { message: /ECONNREFUSED/ })
    peers.forgive('b0'.repeat(16) as NodeId)
    await assert.rejects(peers.call(address, 'flaky'), { message: /ECONNREFUSED/ }, 'another one is back')
    peers.forgive(address.nodeId as NodeId)
    await assert.rejects(peers.call(address, 'flaky'), { message: /ECONNRESET|closed/ })
  })

  test('in the middle of a call fails it with UNAVAILABLE, and its body too', async () => {
    const methods: WireMethods = {
      hang: { handle: () => new Promise(() => {}) },
      half: {
        handle: async () => ({
          body: (async function* () {
            yield Buffer.from('h')
            await new Promise(() => {})
          })(),
        }),
      },
    }
    const { peers, address, network, settle } = await simulatePair(methods)
    const { body } = await peers.call(address, 'half')
    assert.equal(String((await body.next()).value), 'h')
    const hanging = assert.rejects(peers.call(address, 'hang'), { code: 'UNAVAILABLE', message: /ECONNRESET/ })
    await settle()
    network.kill('atlantic')
    await hanging
    await assert.rejects(readWhole(body), { code: 'UNAVAILABLE' })
  })

  test('without a word is noticed by its silence, long before the deadline', async () => {
    const { peers, address, network, pass, clock } = await simulatePair({ hang: { handle: () => new Promise(() => {}) } })
    let failedAtMs = Number.NaN
    const outcome = assert.rejects(peers.call(address, 'hang', { deadlineMs: 600_000 }), {
      code: 'UNAVAILABLE',
      message: /nothing came for 10000 ms/,
    })
    void outcome.then(() => (failedAtMs = clock.monotonicMs()))
    await pass(20_000)
    assert.ok(Number.isNaN(failedAtMs), 'a peer that answers pings is alive')
    network.cut('atlantic', 'pacific')
    const cutAtMs = clock.monotonicMs()
    await pass(20_000)
    await outcome
    assert.ok(failedAtMs - cutAtMs <= 16_000, `after ${failedAtMs - cutAtMs} ms`)
  })

  test('that stops in order lets calls under way finish, and takes no more', async () => {
    let finish = (): void => undefined
    const slow = new Promise<void>((resolve) => (finish = resolve))
    const methods: WireMethods = {
      slow: {
        handle: async () => {
          await slow
          return { header: 'done' }
        },
      },
    }
    const { peers, address, server, settle, network } = await simulatePair(methods)
    const reply = peers.call(address, 'slow')
    await settle()
    const closed = server.close({ graceMs: 1_000 })
    await settle()
    await assert.rejects(peers.call(address, 'slow'), { code: 'UNAVAILABLE' })
    finish()
    assert.equal((await reply).header, 'done')
    await closed
    assert.equal(network.openConnections, 0)
  })

  test('that stops gives calls under way its grace and no longer', async () => {
    const { peers, address, server, settle, pass } = await simulatePair({ hang: { handle: () => new Promise(() => {}) } })
    const outcome = assert.rejects(peers.call(address, 'hang'), { code: 'UNAVAILABLE' })
    await settle()
    const closed = server.close({ graceMs: 1_000 })
    await pass(1_100)
    await closed
    await outcome
  })
})

describe('connections', () => {
  test('are few however many calls there are, and closed when they were idle for long', async () => {
    const { peers, address, network, pass } = await simulatePair(flaky(0, 'BUSY').methods)
    await Promise.all(Array.from({ length: 200 }, () => peers.call(address, 'flaky')))
    assert.ok(network.openConnections >= 1 && network.openConnections <= 2)
    await pass(700_000)
    assert.equal(network.openConnections, 0)
    await peers.call(address, 'flaky')
  })

  test('that are being made when the node that calls stops are given up', async () => {
    const { peers, network, settle } = await simulatePair({})
    const nothing = { received() {}, drained() {}, closed() {} }
    const accepted = (socket: Socket): void => socket.open(nothing)
    await network.host('arctic').listen({ host: 'arctic', port: 1 }, { connectionsMax: 9, failed() {}, accepted })
    const outcome = assert.rejects(peers.call({ host: 'arctic', port: 1 }, 'x'), { code: 'UNAVAILABLE' })
    await settle()
    assert.equal(network.openConnections, 1)
    await peers.close()
    await outcome
    await settle()
    assert.equal(network.openConnections, 0)
  })

  test('are all closed when the node that calls stops', async () => {
    const { peers, address, network, settle } = await simulatePair(flaky(0, 'BUSY').methods)
    await peers.call(address, 'flaky')
    await peers.close()
    await settle()
    assert.equal(network.openConnections, 0)
    await assert.rejects(peers.call(address, 'flaky'), { code: 'UNAVAILABLE' })
  })
})

describe('two nodes', () => {
  const refusals: readonly [string, SimulatedOptions, ErrorCode, RegExp][] = [
    [
      'of different clusters refuse each other',
      { callerIdentity: { clusterId: OTHER_CLUSTER } },
      'UNAUTHENTICATED',
      /refused.*: the first belongs to cluster c2c2.*, the second to c1c1/,
    ],
    [
      'refuse a caller whose certificate is for another node',
      { callerProof: provenAs(OTHER_ID) },
      'UNAUTHENTICATED',
      /Node b0b0.* is refused by node a0a0.*: the certificate that the first shows is for "shoal:\/\/c1c1.*\/eeee/,
    ],
    [
      'refuse a server whose certificate is for another node',
      { serverProof: provenAs(OTHER_ID) },
      'UNAUTHENTICATED',
      /Node a0a0.* is refused by node b0b0.*: the certificate that the first shows is for "shoal:\/\/c1c1.*\/eeee/,
    ],
    [
      'refuse a certificate of the right node in another cluster',
      { callerProof: provenAs(CALLER_ID, OTHER_CLUSTER) },
      'UNAUTHENTICATED',
      /the certificate that the first shows is for "shoal:\/\/c2c2/,
    ],
    [
      'refuse a certificate of another authority',
      { callerProof: { kind: 'refused', why: 'SELF_SIGNED_CERT_IN_CHAIN' } },
      'UNAUTHENTICATED',
      /not one that the authority of the second vouches for \(SELF_SIGNED_CERT_IN_CHAIN\)/,
    ],
    [
      'refuse a node that is not the one that was called',
      { serverIdentity: { nodeId: OTHER_ID }, serverProof: provenAs(OTHER_ID) },
      'UNAVAILABLE',
      /Another node is there: eeee.* instead of a0a0/,
    ],
    [
      'without a common version of the protocol say which each speaks',
      { serverIdentity: { versions: { min: 3, max: 4 }, software: '0.9.0' } },
      'UNSUPPORTED',
      /runs Shoal 0\.9\.0 and speaks versions 3 to 4 .* runs 0\.1\.0 and speaks version 1\. Upgrade this one/,
    ],
  ]
  for (const [name, options, code, message] of refusals) {
    test(name, async () => {
      const { peers, address, network, pass } = await simulatePair(flaky(0, 'BUSY').methods, options)
      await assert.rejects(peers.call(address, 'flaky'), (error: ShoalError) => {
        assert.equal(error.code, code)
        assert.match(error.message, message)
        return true
      })
      await pass(5_000)
      assert.equal(network.openConnections, 0)
    })
  }

  test('speak the highest version that both know', async () => {
    const methods: WireMethods = { version: { handle: async ({ peer }) => ({ header: peer.protocol }) } }
    const pairs = [
      [{ min: 1, max: 2 }, { min: 2, max: 3 }, 2],
      [{ min: 1, max: 3 }, { min: 1, max: 2 }, 2],
      [{ min: 1, max: 1 }, { min: 1, max: 1 }, 1],
    ] as const
    for (const [server, caller, expected] of pairs) {
      const options = { serverIdentity: { versions: server }, callerIdentity: { versions: caller } }
      const { peers, address } = await simulatePair(methods, options)
      assert.equal((await peers.call(address, 'version')).header, expected)
    }
  })

  test('of which one has no certificate yet: it may call what is open to all, and nothing else', async () => {
    const handle = async () => ({ header: 'ok' })
    const methods: WireMethods = { 'cluster.join': { handle, isOpen: true }, secret: { handle } }
    const { peers, address, network, pass } = await simulatePair(methods, { callerProof: { kind: 'anonymous' } })
    assert.equal((await peers.call(address, 'cluster.join')).header, 'ok')
    await assert.rejects(peers.call(address, 'secret'), { code: 'UNAUTHENTICATED', message: /join it first/ })
    assert.equal(network.openConnections, 1)
    await pass(65_000)
    assert.equal(network.openConnections, 0, 'it stays for a minute at most')
  })

  test('of which one was removed from the cluster: it is let in no more, and one that is connected is sent away', async () => {
    let isRemoved = false
    const { peers, address, server, network, settle } = await simulatePair(
      { hang: { handle: () => new Promise(() => {}) } },
      { isRemoved: (node) => isRemoved && node === CALLER_ID },
    )
    const hanging = assert.rejects(peers.call(address, 'hang'), { code: 'FORBIDDEN', message: /was removed from the cluster/ })
    await settle()
    server.dropRemoved()
    await settle()
    assert.equal(network.openConnections, 1)
    isRemoved = true
    server.dropRemoved()
    await hanging
    await assert.rejects(peers.call(address, 'hang'), { code: 'FORBIDDEN' })
  })

  test('of which one says nothing: the other gives up after the time for handshakes', async () => {
    const { network, clock, pass, peers } = await simulatePair({})
    let hasClosed = false
    const socket = await network.host('indian').connect({ host: 'atlantic', port: 7402 })
    socket.open({ received() {}, drained() {}, closed: () => (hasClosed = true) })
    const mute = network.host('arctic', provenAs(SERVER_ID))
    await mute.listen(
      { host: 'arctic', port: 1 },
      { connectionsMax: 9, failed() {}, accepted: (each) => each.open({ received() {}, drained() {}, closed() {} }) },
    )
    const outcome = assert.rejects(peers.call({ host: 'arctic', port: 1 }, 'x'), { message: /HELLO within 10000 ms/ })
    await pass(10_500)
    await outcome
    assert.ok(hasClosed)
    assert.ok(clock.monotonicMs() < 11_000)
  })
})
