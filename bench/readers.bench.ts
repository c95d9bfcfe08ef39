// Signed GETs a second of objects of 1 KiB over S3, without and with a reader thread. The client, in a process of its own, sends
// the same bytes again and again: what it takes of a core is a small part of what the node takes, unlike real clients.
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, GetObjectCommand } from '@aws-sdk/client-s3'
import { Client, startBusyNode } from '../src/node/reader-threads.suite.ts'

const CONNECTIONS = 16
/** Two threads take their time to be started, and connections to be dealt out. */
const WARM_UP_MS = 7_000
const MEASURE_MS = 4_000

interface Load {
  readonly port: number
  readonly message: string
}

/** Keeps so many connections busy, of which the node may close any. */
async function generate({ port, message }: Load): Promise<number> {
  let answered = 0
  let failed = 0
  const open = (): void => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(message))
    socket.on('error', () => (failed += 1))
    socket.on('close', open)
    socket.on('data', (bytes: Buffer) => {
      // Answers of this length come in one piece.
      if (!bytes.subarray(0, 12).equals(OK)) throw new Error(`unexpected answer: ${bytes.toString('latin1', 0, 200)}`)
      answered += 1
      if (!bytes.includes('Connection: close')) socket.write(message)
    })
  }
  for (let count = 0; count < CONNECTIONS; count += 1) open()
  await delay(WARM_UP_MS)
  process.send?.('measuring')
  const before = answered
  await delay(MEASURE_MS)
  if (failed > 0) throw new Error(`${failed} connections failed`)
  return ((answered - before) / MEASURE_MS) * 1_000
}

const OK = Buffer.from('HTTP/1.1 200')

async function measure(readers: number): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
  const node = await startBusyNode({ data, 'readers-max': String(readers) })
  const client = new Client(node.s3Url)
  await client.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }))
  await client.put('object', 'x'.repeat(1_024))
  const load = { port: Number(new URL(node.s3Url).port), message: await signedRequest(client) }
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(load)])
  let cpu = process.cpuUsage()
  const rate = await new Promise<number>((resolve, reject) => {
    child.on('message', (message) => {
      if (message === 'measuring') cpu = process.cpuUsage()
      else resolve(message as number)
    })
    child.once('exit', (code) => reject(new Error(`the load generator ended with ${code}`)))
  })
  const { user, system } = process.cpuUsage(cpu)
  const cpuUs = Math.round(((user + system) / (rate * MEASURE_MS)) * 1_000)
  const cores = ((user + system) / MEASURE_MS / 1_000).toFixed(2)
  console.log(`${readers} reader threads: ${Math.round(rate)}/s, ${cpuUs} µs of processor time each, ${cores} cores`)
  client.close()
  await node.stop()
  await rm(data, { recursive: true })
}

/** The request that the client would send. */
async function signedRequest({ s3 }: Client): Promise<string> {
  let text = ''
  s3.middlewareStack.add(
    (next) => (args) => {
      const { headers } = args.request as { headers: Record<string, string> }
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      text = `GET /bucket/object?x-id=GetObject HTTP/1.1\r\n${lines.join('')}\r\n`
      return next(args)
    },
    { step: 'deserialize', priority: 'low', name: 'capture' },
  )
  await s3.send(new GetObjectCommand({ Bucket: 'bucket', Key: 'object' }))
  s3.middlewareStack.remove('capture')
  return text
}

const [load] = process.argv.slice(2)
if (load?.startsWith('{') === true) {
  process.send?.(await generate(JSON.parse(load) as Load))
  process.exit()
}
for (const readers of [0, 1, 0, 1]) await measure(readers)
