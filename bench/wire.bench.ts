import { fork } from 'node:child_process'
import { once } from 'node:events'
import * as net from 'node:net'
import * as tls from 'node:tls'
import { certify, makeAuthority, makeRequest } from '#cluster/certificates.ts'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeSockets } from '#platform/node-sockets.ts'
import type { SocketSecurity } from '#platform/sockets.ts'
import type { PeerAddress } from '#wire/peer-connections.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireServer } from '#wire/server.ts'
import type { WireIdentity } from '#wire/server.ts'

// What a connection between two nodes does in a second: two processes on loopback, plain and with TLS. Streams alternate with bare
// sockets of Node, so that other work on the machine is in both. Prints a table, takes about 30 s.

const SECONDS_EACH = 1.5
const ROUNDS = 3
const STREAM_BYTES = 1024 * 1024 * 1024
const PIECE = Buffer.alloc(256 * 1024, 'shoal')
const CLUSTER_ID = 'c1'.repeat(16)
const SERVER_ID = 'a0'.repeat(16) as NodeId
const CALLER_ID = 'b0'.repeat(16) as NodeId

const identityOf = (nodeId: NodeId): WireIdentity => ({ clusterId: CLUSTER_ID, nodeId, software: 'bench' })

function* stream(): Generator<Buffer> {
  for (let at = 0; at < STREAM_BYTES; at += PIECE.length) yield PIECE
}

async function count(body: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0
  for await (const piece of body) bytes += piece.length
  return bytes
}

/** What there is to compare with: a server that writes as fast as its reader takes it. */
async function serveBare(security: SocketSecurity): Promise<number> {
  const pour = (socket: net.Socket): void => {
    let sent = 0
    const go = (): void => {
      while (sent < STREAM_BYTES) {
        sent += PIECE.length
        if (!socket.write(PIECE)) return void socket.once('drain', go)
      }
      socket.end()
    }
    go()
  }
  const server =
    security === 'plain'
      ? net.createServer(pour)
      : tls.createServer(
          { cert: security.pair?.certificate, key: security.pair?.key, minVersion: 'TLSv1.3', ciphers: 'TLS_AES_128_GCM_SHA256' },
          pour,
        )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as net.AddressInfo).port
}

async function readBare(port: number, security: SocketSecurity): Promise<void> {
  const options = { port, host: '127.0.0.1' }
  const socket =
    security === 'plain'
      ? net.connect(options)
      : tls.connect({ ...options, ca: security.authority, checkServerIdentity: () => undefined })
  let bytes = 0
  socket.on('data', (piece: Buffer) => (bytes += piece.length))
  await once(socket, 'close')
  if (bytes !== STREAM_BYTES) throw new Error(`${bytes} bytes came`)
}

async function serve(security: SocketSecurity): Promise<void> {
  const server = await WireServer.listen(
    { host: '127.0.0.1', port: 0 },
    {
      listeners: new NodeSockets(security),
      clock: nodeClock,
      log: silentLog,
      identity: identityOf(SERVER_ID),
      methods: {
        small: { handle: async ({ header }) => ({ header }) },
        take: { handle: async ({ body }) => ({ header: await count(body) }) },
        give: { handle: async () => ({ body: stream() }) },
        processor: { handle: async () => ({ header: { ...process.cpuUsage() } }) },
      },
    },
  )
  process.send?.({ ...server.address, barePort: await serveBare(security) })
  await once(process, 'disconnect')
  process.exit()
}

async function measure(name: string, { server, caller }: { server: SocketSecurity; caller: SocketSecurity }): Promise<void> {
  const child = fork(import.meta.filename, ['server'])
  child.send(JSON.stringify(server))
  const [at] = (await once(child, 'message')) as [PeerAddress & { barePort: number }]
  const address = { host: at.host, port: at.port, nodeId: SERVER_ID }
  const connector = new NodeSockets(caller)
  const peers = new WirePeers({ connector, clock: nodeClock, random: nodeRandom, identity: identityOf(CALLER_ID) })
  for (const inFlight of [1, 64]) {
    // The first round is for the compiler.
    await smallCalls(peers, address, inFlight)
    print(
      `${name}: calls with a header of 60 bytes there and back, ${inFlight} in flight`,
      `${await smallCalls(peers, address, inFlight)}/s`,
    )
  }
  const runs = {
    'bare sockets': () => readBare(at.barePort, caller),
    'from the node': async () => count((await peers.call(address, 'give', { deadlineMs: 60_000 })).body),
    'to the node': () => peers.call(address, 'take', { body: stream(), deadlineMs: 60_000 }),
  }
  const serverSeconds = async (): Promise<number> =>
    seconds((await peers.call(address, 'processor')).header as unknown as NodeJS.CpuUsage)
  const rates = new Map<string, string[]>()
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [what, run] of Object.entries(runs)) {
      const [startMs, own, others] = [performance.now(), seconds(process.cpuUsage()), await serverSeconds()]
      await run()
      const megabytes = Math.round(STREAM_BYTES / 1e6 / ((performance.now() - startMs) / 1000))
      const used = `${(seconds(process.cpuUsage()) - own).toFixed(2)} + ${((await serverSeconds()) - others).toFixed(2)}`
      rates.set(what, [...(rates.get(what) ?? []), `${megabytes} MB/s (${used} s)`])
    }
  }
  for (const [what, values] of rates) print(`${name}: 1 GiB, ${what} (processor: caller + node)`, values.join(', '))
  await peers.close()
  child.disconnect()
}

function seconds({ user, system }: NodeJS.CpuUsage): number {
  return (user + system) / 1e6
}

async function smallCalls(peers: WirePeers, address: PeerAddress, inFlight: number): Promise<number> {
  const header = { id: 'a'.repeat(40), at: 17 }
  const startMs = performance.now()
  let calls = 0
  const client = async (): Promise<void> => {
    for (; performance.now() - startMs < SECONDS_EACH * 1000; calls += 1) await peers.call(address, 'small', { header })
  }
  await Promise.all(Array.from({ length: inFlight }, client))
  return Math.round(calls / ((performance.now() - startMs) / 1000))
}

function print(what: string, value: string): void {
  console.log(`${what.padEnd(70)} ${value}`)
}

async function makeSecurity(nodeId: NodeId, authority: Awaited<ReturnType<typeof makeAuthority>>): Promise<SocketSecurity> {
  const name = { clusterId: CLUSTER_ID, nodeId }
  const { request, key } = await makeRequest(name)
  const certificate = await certify({ authority, name, request, nowMs: nodeClock.nowMs(), random: nodeRandom })
  return { authority: authority.certificate, pair: { certificate, key } }
}

if (process.argv[2] === 'server') {
  const [security] = (await once(process, 'message')) as [string]
  await serve(JSON.parse(security) as SocketSecurity)
} else {
  const authority = await makeAuthority(CLUSTER_ID, nodeClock.nowMs(), nodeRandom)
  await measure('plain', { server: 'plain', caller: 'plain' })
  await measure('TLS', { server: await makeSecurity(SERVER_ID, authority), caller: await makeSecurity(CALLER_ID, authority) })
}
