// Processor time of a forwarded request of 1 KiB, at the node that its client is connected to and at the one that serves it, in microseconds:
// over the wire with TLS, over the wire on a Unix domain socket, and over node:http on such a socket, bare at the serving side. Takes about 40 s.
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, createServer, request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certify, makeAuthority, makeRequest } from '#cluster/certificates.ts'
import type { NodeId } from '#foundation/ids.ts'
import { ForwardOverWire } from '#gateway/http/forward-over-wire.ts'
import { forwardMethods } from '#gateway/http/forward-methods.ts'
import type { ForwardTarget } from '#gateway/http/forward-target.ts'
import { ForwardingDoor } from '#gateway/http/forwarding-door.ts'
import type { Door } from '#gateway/http/door.ts'
import { HttpMetrics } from '#gateway/http/http-metrics.ts'
import { DEFAULT_HTTP_LIMITS } from '#gateway/http/limits.ts'
import { HttpServer } from '#gateway/http/server.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { NodeSockets } from '#platform/node-sockets.ts'
import { NodeUnixSockets } from '#platform/node-unix-sockets.ts'
import type { SocketSecurity } from '#platform/sockets.ts'
import { WirePeers } from '#wire/peers.ts'
import { WireServer } from '#wire/server.ts'

const CONNECTIONS = 64
const WARM_UP_MS = 1_000
const MEASURE_MS = 2_500
const BODY = Buffer.alloc(1024, 0x61)
const CLUSTER_ID = 'c1'.repeat(16)
const LEADER_ID = 'a0'.repeat(16) as NodeId
const FRONT_ID = 'b0'.repeat(16) as NodeId

interface Settings {
  readonly folder: string
  readonly leader: SocketSecurity
  readonly front: SocketSecurity
}

interface Places {
  readonly direct: number
  readonly tls: number
}

const door: Door = {
  name: 'bench',
  async handle(exchange) {
    if (exchange.method === 'GET') return exchange.send(200, ['Content-Type', 'text/plain', 'ETag', '"0123456789"'], BODY)
    await exchange.body().collect()
    exchange.send(200, ['ETag', '"0123456789"'])
  },
  fail: (exchange, error) => exchange.send(500, [], error.message),
}

function makeServer(served: Door): HttpServer {
  return new HttpServer({
    doors: [{ prefix: '/', door: served }],
    limits: DEFAULT_HTTP_LIMITS,
    clock: nodeClock,
    random: nodeRandom,
    log: silentLog,
    metrics: new HttpMetrics(new PromMetrics()),
    requestLog: 'errors',
  })
}

async function lead({ folder, leader }: Settings): Promise<Places> {
  const http = makeServer(door)
  const methods = forwardMethods({ s3: http })
  const identity = { clusterId: CLUSTER_ID, nodeId: LEADER_ID, software: 'bench' }
  const parts = { clock: nodeClock, log: silentLog, identity, methods }
  await WireServer.listen({ host: join(folder, 'wire'), port: 0 }, { ...parts, listeners: new NodeUnixSockets() })
  const overTls = await WireServer.listen({ host: '127.0.0.1', port: 0 }, { ...parts, listeners: new NodeSockets(leader) })
  createServer((request, response) => {
    request.on('data', () => undefined)
    request.on('end', () => {
      const isGet = request.method === 'GET'
      response.writeHead(200, ['ETag', '"0123456789"', 'Content-Length', isGet ? '1024' : '0'])
      response.end(isGet ? BODY : undefined)
    })
  }).listen(join(folder, 'http'))
  const { port } = await http.listen({ host: '127.0.0.1', port: 0 })
  return { direct: port, tls: overTls.address.port }
}

/** What there is to compare with. */
function overHttp(socketPath: string): ForwardTarget {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  return {
    name: 'http',
    send: ({ head, content }) =>
      new Promise((resolve, reject) => {
        const { method, target: path, rawHeaders } = head
        const sent = httpRequest({ agent, socketPath, method, path, headers: rawHeaders }, (response) => {
          if (method !== 'GET') response.resume()
          resolve({
            status: response.statusCode as number,
            headers: response.rawHeaders,
            content: Buffer.alloc(0),
            body: response[Symbol.asyncIterator]() as AsyncIterableIterator<Buffer>,
          })
        })
        sent.on('error', reject)
        sent.end(content)
      }),
  }
}

async function stand({ folder, front }: Settings, { tls }: Places, way: string): Promise<number> {
  const parts = { clock: nodeClock, random: nodeRandom, identity: { clusterId: CLUSTER_ID, nodeId: FRONT_ID, software: 'bench' } }
  const targets: Record<string, () => ForwardTarget> = {
    tls: () =>
      new ForwardOverWire(new WirePeers({ ...parts, connector: new NodeSockets(front) }), {
        host: '127.0.0.1',
        port: tls,
        nodeId: LEADER_ID,
      }),
    unix: () =>
      new ForwardOverWire(new WirePeers({ ...parts, connector: new NodeUnixSockets() }), { host: join(folder, 'wire'), port: 0 }),
    http: () => overHttp(join(folder, 'http')),
  }
  const target = targets[way]?.() ?? 'here'
  const forwarding = { decide: () => target, onChange: () => undefined }
  const http = makeServer(new ForwardingDoor({ door, forwarding, server: 's3', clock: nodeClock, log: silentLog }))
  return (await http.listen({ host: '127.0.0.1', port: 0 })).port
}

/** One request per connection at a time; how many were answered. */
async function load(port: number, method: string): Promise<() => number> {
  const fields = `Host: 127.0.0.1:${port}\r\nUser-Agent: bench\r\nX-Amz-Date: 20261126T000000Z\r\nX-Amz-Content-Sha256: ${'e3'.repeat(32)}\r\nAuthorization: AWS4-HMAC-SHA256 ${'x'.repeat(180)}\r\n`
  const head = `${method} /bucket/some/key HTTP/1.1\r\n${fields}`
  const message = Buffer.from(method === 'GET' ? `${head}\r\n` : `${head}Content-Length: 1024\r\n\r\n${BODY.toString()}`)
  let answered = 0
  for (let at = 0; at < CONNECTIONS; at += 1) {
    const socket = connect(port, '127.0.0.1')
    let text = ''
    socket.on('error', () => undefined)
    socket.setNoDelay(true).on('data', (bytes) => {
      text += bytes.toString('latin1')
      const end = text.indexOf('\r\n\r\n')
      if (end < 0 || text.length < end + 4 + (method === 'GET' ? 1024 : 0)) return
      if (!text.startsWith('HTTP/1.1 200 ')) throw new Error(text)
      text = ''
      answered += 1
      socket.write(message)
    })
    socket.write(message)
  }
  return () => answered
}

async function spentUs(child: ChildProcess): Promise<number> {
  child.send('spent')
  const [{ user, system }] = (await once(child, 'message')) as [NodeJS.CpuUsage]
  return user + system
}

async function measure(settings: Settings, way: string, method: string): Promise<void> {
  const leader = fork(import.meta.filename, ['leader', JSON.stringify(settings)])
  const [places] = (await once(leader, 'message')) as [Places]
  const front = fork(import.meta.filename, ['front', JSON.stringify(settings), JSON.stringify(places), way])
  const [port] = (await once(front, 'message')) as [number]
  const answered = await load(port, method)
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS))
  const before = [answered(), await spentUs(front), await spentUs(leader)] as const
  await new Promise((resolve) => setTimeout(resolve, MEASURE_MS))
  const after = [answered(), await spentUs(front), await spentUs(leader)] as const
  const requests = after[0] - before[0]
  const each = (at: 1 | 2): string => ((after[at] - before[at]) / requests).toFixed(1).padStart(6)
  console.log(
    `${method} 1 KiB, ${way.padEnd(5)} front ${each(1)} µs   leader ${each(2)} µs   ${Math.round((requests / MEASURE_MS) * 1000)}/s`,
  )
  leader.kill()
  front.kill()
  await Promise.all([once(leader, 'exit'), once(front, 'exit')])
  await rm(join(settings.folder, 'wire'), { force: true })
  await rm(join(settings.folder, 'http'), { force: true })
}

async function makeSecurity(nodeId: NodeId, authority: Awaited<ReturnType<typeof makeAuthority>>): Promise<SocketSecurity> {
  const name = { clusterId: CLUSTER_ID, nodeId }
  const { request, key } = await makeRequest(name)
  const certificate = await certify({ authority, name, request, nowMs: nodeClock.nowMs(), random: nodeRandom })
  return { authority: authority.certificate, pair: { certificate, key } }
}

const [, , role, given, places, way] = process.argv
if (role === undefined) {
  const authority = await makeAuthority(CLUSTER_ID, nodeClock.nowMs(), nodeRandom)
  const folder = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
  const settings = { folder, leader: await makeSecurity(LEADER_ID, authority), front: await makeSecurity(FRONT_ID, authority) }
  for (const method of ['GET', 'PUT']) for (const each of ['here', 'unix', 'http', 'tls']) await measure(settings, each, method)
  await rm(folder, { recursive: true })
  process.exit()
} else {
  const settings = JSON.parse(given as string) as Settings
  process.send?.(
    role === 'leader' ? await lead(settings) : await stand(settings, JSON.parse(places as string) as Places, way as string),
  )
  process.on('message', () => process.send?.(process.cpuUsage()))
  process.on('disconnect', () => process.exit())
}
