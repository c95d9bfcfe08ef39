import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import net from 'node:net'
import { before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { certify, makeAuthority, makeRequest } from '#cluster/certificates.ts'
import type { CertifiedKey } from '#cluster/certificates.ts'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import type { LogFields } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeSockets, presentedCertificates } from '#platform/node-sockets.ts'
import type { SocketKeys, SocketSecurity } from '#platform/sockets.ts'
import type { WireMethods } from './methods.ts'
import type { PeerAddress } from './peer-connections.ts'
import { WirePeers } from './peers.ts'
import { WireServer } from './server.ts'
import { CALLER_ID, CLUSTER_ID, SERVER_ID, identityOf, readWhole } from './wire-fixture.suite.ts'

const OTHER_ID = 'ee'.repeat(16) as NodeId
const DAY_MS = 86_400_000
const MIB = 1024 * 1024

let authority: CertifiedKey
let serverKeys: SocketKeys
let callerKeys: SocketKeys

before(async () => {
  authority = await makeAuthority(CLUSTER_ID, Date.now(), nodeRandom)
  serverKeys = await keysOf(SERVER_ID)
  callerKeys = await keysOf(CALLER_ID)
})

async function keysOf(nodeId: NodeId, nowMs = Date.now(), issuer = authority): Promise<SocketKeys> {
  const name = { clusterId: CLUSTER_ID, nodeId }
  const { request, key } = await makeRequest(name)
  const certificate = await certify({ authority: issuer, name, request, nowMs, random: nodeRandom })
  return { authority: issuer.certificate, pair: { certificate, key } }
}

const echo: WireMethods = { echo: { handle: async ({ header, body }) => ({ header, body }) } }

interface Pair {
  readonly server: WireServer
  readonly peers: WirePeers
  readonly address: PeerAddress
  readonly warnings: LogFields[]
}

async function connect(
  context: TestContext,
  methods: WireMethods,
  security: { server?: SocketSecurity; caller?: SocketSecurity } = {},
): Promise<Pair> {
  const warnings: LogFields[] = []
  const log = { ...silentLog, warn: (_: string, fields: LogFields = {}) => void warnings.push(fields) }
  const server = await WireServer.listen(
    { host: '127.0.0.1', port: 0 },
    {
      listeners: new NodeSockets(security.server ?? serverKeys),
      clock: nodeClock,
      log,
      identity: identityOf(SERVER_ID),
      methods,
    },
  )
  const connector = new NodeSockets(security.caller ?? callerKeys)
  const peers = new WirePeers({ connector, clock: nodeClock, random: nodeRandom, identity: identityOf(CALLER_ID) })
  context.after(async () => {
    await peers.close()
    await server.close()
  })
  return { server, peers, address: { ...server.address, nodeId: SERVER_ID }, warnings }
}

for (const name of ['TLS', 'no TLS'] as const) {
  const security = (): { server?: SocketSecurity; caller?: SocketSecurity } =>
    name === 'TLS' ? {} : { server: 'plain', caller: 'plain' }

  describe(`over real sockets, with ${name}`, () => {
    // Encrypting a whole GiB twice over takes long where others need the processors too.
    const pieces = name === 'TLS' ? 256 : 1024
    test(`${pieces} MiB go through whole, and little of it is in memory at any moment`, async (context) => {
      const piece = Buffer.alloc(MIB, 'shoal')
      const digest = createHash('sha256')
      let received = 0
      const methods: WireMethods = {
        take: {
          handle: async ({ body }) => {
            for await (const bytes of body) {
              received += bytes.length
              digest.update(bytes)
            }
            return { header: digest.digest('hex') }
          },
        },
      }
      const { peers, address } = await connect(context, methods, security())
      const expected = createHash('sha256')
      let highest = 0
      const base = process.memoryUsage().rss
      const source = function* (): Generator<Buffer> {
        for (let at = 0; at < pieces; at += 1) {
          highest = Math.max(highest, process.memoryUsage().rss - base)
          expected.update(piece)
          yield piece
        }
      }
      const { header } = await peers.call(address, 'take', { body: source, deadlineMs: 60_000 })
      assert.equal(received, pieces * MIB)
      assert.equal(header, expected.digest('hex'))
      assert.ok(highest < 200 * MIB, `${Math.round(highest / MIB)} MiB`)
    })

    test('a reader that does not read stops the source after the first window, and goes on where it stopped', async (context) => {
      let taken = 0
      const methods: WireMethods = {
        pour: {
          handle: async () => ({
            body: (function* () {
              for (let at = 0; at < 400; at += 1) {
                taken += 16_384
                yield Buffer.alloc(16_384, at)
              }
            })(),
          }),
        },
      }
      const { peers, address } = await connect(context, methods, security())
      const { body } = await peers.call(address, 'pour')
      await setTimeout(100)
      assert.ok(taken <= 65_536 + 16_384, `${taken} bytes were taken`)
      assert.equal((await readWhole(body)).length, 400 * 16_384)
    })

    test('hundreds of calls at once each get their own answer', async (context) => {
      const { peers, address } = await connect(context, echo, security())
      const call = async (at: number): Promise<boolean> => {
        const { header, body } = await peers.call(address, 'echo', { header: at, body: [Buffer.alloc(at * 97, at)] })
        return header === at && (await readWhole(body)).equals(Buffer.alloc(at * 97, at))
      }
      assert.ok((await Promise.all(Array.from({ length: 300 }, (_, at) => call(at)))).every(Boolean))
    })
  })
}

describe('with TLS', () => {
  const refused: readonly [string, () => Promise<SocketSecurity>, string, RegExp][] = [
    [
      'a caller with a certificate of another authority is told so',
      async () => ({
        ...(await keysOf(CALLER_ID, Date.now(), await makeAuthority(CLUSTER_ID, Date.now(), nodeRandom))),
        authority: authority.certificate,
      }),
      'UNAUTHENTICATED',
      /Node b0b0.* is refused by node a0a0.* not one that the authority of the second vouches for/,
    ],
    [
      'a caller whose certificate is for another node is told so',
      () => keysOf(OTHER_ID),
      'UNAUTHENTICATED',
      /Node b0b0.* is refused by node a0a0.*: the certificate that the first shows is for "shoal:\/\/c1c1.*\/eeee/,
    ],
    [
      'a caller whose certificate has run out is told so',
      () => keysOf(CALLER_ID, Date.now() - 400 * DAY_MS, expiring),
      'UNAUTHENTICATED',
      /the certificate of the first has run out by the clock of the second/,
    ],
    [
      'a caller without a certificate is told so',
      async () => ({ authority: authority.certificate }),
      'UNAUTHENTICATED',
      /"echo" needs a certificate of the cluster/,
    ],
    [
      'a caller refuses a server of another authority',
      async () => ({ ...callerKeys, authority: (await makeAuthority(CLUSTER_ID, Date.now(), nodeRandom)).certificate }),
      'UNAUTHENTICATED',
      /The node at 127\.0\.0\.1:\d+ is refused: the authority of this cluster does not vouch for its certificate/,
    ],
  ]
  let expiring: CertifiedKey
  before(async () => {
    expiring = { ...authority, ...(await makeAuthority(CLUSTER_ID, Date.now() - 500 * DAY_MS, nodeRandom)) }
  })
  for (const [name, keys, code, message] of refused) {
    test(name, async (context) => {
      const caller = await keys()
      // A certificate can't begin before its authority: the expired one has an older authority, which this server believes.
      const server = name.includes('run out') ? await keysOf(SERVER_ID, Date.now(), expiring) : serverKeys
      const { peers, address } = await connect(context, echo, { caller, server })
      await assert.rejects(peers.call(address, 'echo'), { code, message })
    })
  }

  test('a caller that speaks plainly, or no protocol at all, is refused and harms nobody', async (context) => {
    const { peers, address, warnings } = await connect(context, echo)
    const foreign = net.connect(address.port, '127.0.0.1').on('error', () => undefined)
    foreign.write('GET / HTTP/1.1\r\n\r\n')
    await once(foreign, 'close')
    assert.equal(warnings.length, 1)
    const plain = new WirePeers({
      connector: new NodeSockets('plain'),
      clock: nodeClock,
      random: nodeRandom,
      identity: identityOf(CALLER_ID),
    })
    await assert.rejects(plain.call(address, 'echo'), { code: 'UNAVAILABLE' })
    await plain.close()
    assert.equal((await peers.call(address, 'echo', { header: 1 })).header, 1)
  })

  test('new keys are used from the next connection on, and those that are open go on', async (context) => {
    const listeners = new NodeSockets(serverKeys)
    const options = { listeners, clock: nodeClock, log: silentLog, identity: identityOf(SERVER_ID), methods: echo }
    const server = await WireServer.listen({ host: '127.0.0.1', port: 0 }, options)
    const open = (): WirePeers =>
      new WirePeers({
        connector: new NodeSockets(callerKeys),
        clock: nodeClock,
        random: nodeRandom,
        identity: identityOf(CALLER_ID),
      })
    const [first, second] = [open(), open()]
    context.after(() => Promise.all([first.close(), second.close(), server.close()]))
    await first.call(server.address, 'echo')
    listeners.replaceKeys(await keysOf(OTHER_ID))
    await first.call(server.address, 'echo')
    await assert.rejects(second.call(server.address, 'echo'), {
      code: 'UNAUTHENTICATED',
      message: /is for "shoal:\/\/c1c1.*\/eeee/,
    })
  })

  test('a server shows the certificate of its authority too, for those who know only its fingerprint', async (context) => {
    const { address } = await connect(context, echo)
    const [own, issuer, ...more] = await presentedCertificates(address)
    assert.ok(own !== undefined && issuer !== undefined && more.length === 0)
    const pem = `-----BEGIN CERTIFICATE-----\n${issuer
      .toString('base64')
      .match(/.{1,64}/g)!
      .join('\n')}\n-----END CERTIFICATE-----\n`
    assert.equal(pem.trim(), authority.certificate.trim())
  })
})

test('a peer that is killed in the middle of a stream fails it, and calls after it at once', async (context) => {
  const child = spawn(process.execPath, [fileURLToPath(new URL('server.child.ts', import.meta.url))], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  context.after(() => child.kill('SIGKILL'))
  const [line] = (await once(child.stdout, 'data')) as [Buffer]
  const address = { host: '127.0.0.1', port: Number(String(line)), nodeId: SERVER_ID }
  const peers = new WirePeers({
    connector: new NodeSockets('plain'),
    clock: nodeClock,
    random: nodeRandom,
    identity: identityOf(CALLER_ID),
  })
  context.after(() => peers.close())
  const { body } = await peers.call(address, 'endless')
  let received = 0
  await assert.rejects(
    async () => {
      for await (const piece of body) {
        if (received < 50 * MIB && received + piece.length >= 50 * MIB) child.kill('SIGKILL')
        received += piece.length
      }
    },
    { code: 'UNAVAILABLE' },
  )
  assert.ok(received >= 50 * MIB)
  const startMs = performance.now()
  await assert.rejects(peers.call(address, 'endless'), { code: 'UNAVAILABLE' })
  assert.ok(performance.now() - startMs < 500)
})
