// A generator of small requests on raw sockets, in a process of its own: one request a connection at a time.

import { fork } from 'node:child_process'
import { connect } from 'node:net'
import { fileURLToPath } from 'node:url'

export interface HttpLoad {
  readonly port: number
  readonly method: 'GET' | 'PUT'
  /** The n-th request goes to `<path><n modulo paths>`. */
  readonly path: string
  readonly paths: number
  readonly connections: number
  readonly warmUpMs: number
  readonly measureMs: number
  readonly bodyBytes: number
  readonly authorization: string
  /** Further header lines, each with its end. */
  readonly headers?: string
  /** A program that starts the generator, with arguments: its process becomes the generator's. */
  readonly through?: readonly string[]
}

/** Answered requests a second. */
export function measureHttpLoad(load: HttpLoad): Promise<number> {
  return new Promise((resolve, reject) => {
    const [first, ...rest] = load.through ?? []
    const through = first === undefined ? {} : { execPath: first, execArgv: [...rest, process.execPath] }
    const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(load)], through)
    child.once('message', (rate) => resolve(rate as number))
    child.once('error', reject)
    child.once('exit', (code) => {
      if (code !== 0) reject(new Error(`the load generator ended with ${code}`))
    })
  })
}

async function generate(load: HttpLoad): Promise<number> {
  const { port, method, path, paths, connections, authorization, headers = '' } = load
  const body = method === 'PUT' ? Buffer.alloc(load.bodyBytes, 0x61) : Buffer.alloc(0)
  const tail = `Host: 127.0.0.1:${port}\r\nAuthorization: ${authorization}\r\n${headers}${method === 'PUT' ? `Content-Length: ${body.length}\r\n` : ''}\r\n${body.toString('latin1')}`
  let sent = 0
  let answered = 0
  let stopped = false
  const next = () => `${method} ${path}${sent++ % paths} HTTP/1.1\r\n${tail}`
  const sockets = Array.from({ length: connections }, () => {
    const socket = connect(port, '127.0.0.1', () => socket.write(next(), 'latin1'))
    socket.setNoDelay(true)
    let missing = 0
    let start = ''
    socket.on('data', (bytes: Buffer) => {
      if (missing === 0) {
        start += bytes.toString('latin1')
        const end = start.indexOf('\r\n\r\n')
        if (end === -1) return
        if (!/^HTTP\/1.1 20[0-9] /.test(start)) throw new Error(`unexpected answer: ${start.slice(0, 300)}`)
        const length = /\r\ncontent-length: (\d+)/i.exec(start)
        missing = end + 4 + Number(length?.[1] ?? 0) - start.length
        start = ''
      } else missing -= bytes.length
      if (missing > 0) return
      missing = 0
      answered += 1
      if (!stopped) socket.write(next(), 'latin1')
    })
    return socket
  })
  await new Promise((resolve) => setTimeout(resolve, load.warmUpMs))
  const before = answered
  const startedMs = performance.now()
  await new Promise((resolve) => setTimeout(resolve, load.measureMs))
  const rate = ((answered - before) / (performance.now() - startedMs)) * 1000
  stopped = true
  for (const socket of sockets) socket.destroy()
  return rate
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const rate = await generate(JSON.parse(process.argv[2] as string) as HttpLoad)
  process.send?.(rate)
  process.disconnect?.()
}
