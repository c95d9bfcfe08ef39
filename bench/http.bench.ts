// Requests a second of the HTTP kernel with the REST door over volumes in memory, beside a bare node:http server under
// the same load. What is measured is what the doors add; storage is not in it.
import { fork } from 'node:child_process'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'
import { AUTHORIZATION, startTestServer } from '../src/gateway/rest/rest-server.suite.ts'

const CONNECTIONS = 64
const WARM_UP_MS = 700
const MEASURE_MS = 1800
const BODY = Buffer.alloc(1024, 0x61)

interface Load {
  readonly port: number
  readonly method: 'GET' | 'PUT'
  readonly path: string
}

interface Answered {
  /** Requests a second, after the warm-up. */
  readonly rate: number
  readonly total: number
}

interface Measured {
  readonly rate: number
  /** Processor time of the server for one request: the figure to compare where other work shares the machine. */
  readonly cpuUs: number
}

/** One request per connection at a time, each the same bytes; answers are counted by their lengths. */
async function generateLoad({ port, method, path }: Load): Promise<Answered> {
  const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nAuthorization: ${AUTHORIZATION}\r\n`
  const message =
    method === 'GET'
      ? Buffer.from(`${head}\r\n`)
      : Buffer.concat([Buffer.from(`${head}Content-Length: ${BODY.length}\r\n\r\n`), BODY])
  let answered = 0
  let stopped = false
  const sockets = Array.from({ length: CONNECTIONS }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(message))
    socket.setNoDelay(true)
    let expected = 0
    let received = 0
    let start = ''
    socket.on('data', (bytes: Buffer) => {
      received += bytes.length
      if (expected === 0) {
        start += bytes.toString('latin1')
        const end = start.indexOf('\r\n\r\n')
        if (end === -1) return
        if (!/^HTTP\/1.1 20[01] /.test(start)) throw new Error(`unexpected answer: ${start.slice(0, 300)}`)
        const length = /\r\ncontent-length: (\d+)/i.exec(start)
        expected = end + 4 + Number(length?.[1] ?? 0)
      }
      if (received < expected) return
      answered += 1
      expected = 0
      received = 0
      start = ''
      if (!stopped) socket.write(message)
    })
    return socket
  })
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS))
  const before = answered
  const startedMs = performance.now()
  await new Promise((resolve) => setTimeout(resolve, MEASURE_MS))
  const rate = ((answered - before) / (performance.now() - startedMs)) * 1000
  stopped = true
  for (const socket of sockets) socket.destroy()
  return { rate, total: answered }
}

async function measure(load: Load): Promise<Measured> {
  const before = process.cpuUsage()
  const { rate, total } = await runGenerator(load)
  const spent = process.cpuUsage(before)
  return { rate, cpuUs: (spent.user + spent.system) / total }
}

function runGenerator(load: Load): Promise<Answered> {
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), ['load', JSON.stringify(load)])
    child.once('message', (answered) => resolve(answered as Answered))
    child.once('error', reject)
    child.once('exit', (code) => {
      if (code !== 0) reject(new Error(`the load generator ended with ${code}`))
    })
  })
}

async function withBareServer<T>(run: (port: number) => Promise<T>): Promise<T> {
  const server = createServer((request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, ['Content-Length', String(BODY.length)])
      response.end(BODY)
      return
    }
    request.on('data', () => {})
    request.on('end', () => {
      response.writeHead(201, ['Content-Length', '0'])
      response.end()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('no port')
  try {
    return await run(address.port)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

async function main(): Promise<void> {
  const bare = await withBareServer(async (port) => ({
    get: await measure({ port, method: 'GET', path: '/x' }),
    put: await measure({ port, method: 'PUT', path: '/x' }),
  }))
  await using rest = await startTestServer({ observe: false })
  const path = '/api/v1/volumes/docs/files/a/b/file'
  const own = {
    put: await measure({ port: rest.port, method: 'PUT', path }),
    get: await measure({ port: rest.port, method: 'GET', path }),
  }
  const row = (name: string, value: Measured, base: Measured) => {
    const ratios = `${(value.rate / base.rate).toFixed(2)} of the rate, ${(base.cpuUs / value.cpuUs).toFixed(2)} by processor time`
    console.log(
      `${name.padEnd(34)} ${Math.round(value.rate).toString().padStart(7)}/s ${value.cpuUs.toFixed(1).padStart(6)} µs   ${ratios}`,
    )
  }
  row('bare node:http, GET 1 KiB', bare.get, bare.get)
  row('REST over memory, GET 1 KiB', own.get, bare.get)
  row('bare node:http, PUT 1 KiB dropped', bare.put, bare.put)
  row('REST over memory, PUT 1 KiB', own.put, bare.put)
}

if (process.argv[2] === 'load') {
  process.send?.(await generateLoad(JSON.parse(process.argv[3] as string) as Load))
  process.disconnect?.()
} else {
  await main()
}
