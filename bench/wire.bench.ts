import { fork } from 'node:child_process'
import { once } from 'node:events'
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

// What a connection between two nodes does in a second: two processes on loopback, plain and with TLS. Prints a table, takes about 15 s.

const SECONDS_EACH = 1.5
const STREAM_BYTES = 1024 * 1024 * 1024
const PIECE = Buffer.alloc(256 * 1024, 'shoal')
const CLUSTER_ID = 'c1'.repeat(16)
const SERVER_ID = 'a0'.repeat(16) as NodeId
const CALLER_ID = 'b0'.repeat(16) as NodeId

const identityOf = (nodeId: NodeId) => ({ clusterId: CLUSTER_ID, nodeId, software: 'bench' })

function* stream(): Generator<Buffer> {
  for (let at = 0; at < STREAM_BYTES; at += PIECE.length) yield PIECE
}

async function count(body: AsyncIterable<Buffer>): Promise<number> {
  let bytes = 0
  for await (const piece of body) bytes += piece.length
  return bytes
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
      },
    },
  )
  process.send?.(server.address)
  await once(process, 'disconnect')
  process.exit()
}

async function measure(name: string, { server, caller }: { server: SocketSecurity; caller: SocketSecurity }): Promise<void> {
  const child = fork(import.meta.filename, ['server'])
  child.send(JSON.stringify(server))
  const [at] = (await once(child, 'message')) as [PeerAddress]
  const address = { ...at, nodeId: SERVER_ID }
  const connector = new NodeSockets(caller)
  const peers = new WirePeers({ connector, clock: nodeClock, random: nodeRandom, identity: identityOf(CALLER_ID) })
  for (const inFlight of [1, 64]) {
    // The first round is for the compiler.
    await smallCalls(peers, address, inFlight)
    print(
      `${name}: calls with a header of 60 bytes and none back, ${inFlight} in flight`,
      `${await smallCalls(peers, address, inFlight)}/s`,
    )
  }
  for (const round of ['a first', 'a second']) {
    const startMs = performance.now()
    await peers.call(address, 'take', { body: stream(), deadlineMs: 60_000 })
    print(`${name}: ${round} stream of 1 GiB to the node`, rate(startMs))
    const backMs = performance.now()
    const { body } = await peers.call(address, 'give', { deadlineMs: 60_000 })
    await count(body)
    print(`${name}: ${round} stream of 1 GiB from the node`, rate(backMs))
  }
  await peers.close()
  child.disconnect()
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

function rate(startMs: number): string {
  return `${Math.round(STREAM_BYTES / 1e6 / ((performance.now() - startMs) / 1000))} MB/s`
}

function print(what: string, value: string): void {
  console.log(`${what.padEnd(80)} ${value.padStart(12)}`)
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
