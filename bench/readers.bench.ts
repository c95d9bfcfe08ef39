// Signed GETs a second over S3, without and with a reader thread, for each kind of contents: in the metadata, in a pack, in files. The client, in a
// process of its own, sends the same bytes again and again: what it takes of a core is a small part of what the node takes, unlike real clients.
//
// With `writes N`, N of the connections PUT objects of 1 KiB meanwhile; with `1`, `64` or `8` only that kind is measured.
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { Client, startBusyNode } from '../src/node/reader-threads.suite.ts'

/** Two threads take their time to be started, and connections to be dealt out. */
const WARM_UP_MS = 7_000
const MEASURE_MS = 4_000

interface Load {
  readonly port: number
  /** What each connection sends again and again. */
  readonly messages: readonly string[]
}

interface Kind {
  readonly what: string
  readonly sizeBytes: number
  readonly connections: number
}

const KINDS: readonly Kind[] = [
  { what: '1 KiB, in the metadata', sizeBytes: 1_024, connections: 16 },
  { what: '64 KiB, in a pack', sizeBytes: 65_536, connections: 16 },
  { what: '8 MiB, in a file', sizeBytes: 8_388_608, connections: 4 },
]

interface Rates {
  readonly reads: number
  readonly writes: number
}

/** Keeps a connection busy with each message, which the node may close any time. */
async function generate({ port, messages }: Load): Promise<Rates> {
  const answered = { GET: 0, PUT: 0 }
  let failed = 0
  const open = (message: string): void => {
    const method = message.slice(0, 3) as keyof typeof answered
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => socket.write(message))
    let leftBytes = 0
    let isLast = false
    socket.on('error', () => (failed += 1))
    socket.on('close', () => open(message))
    socket.on('data', (bytes: Buffer) => {
      if (leftBytes > 0) leftBytes -= bytes.length
      else {
        if (!bytes.subarray(0, 12).equals(OK)) throw new Error(`unexpected answer: ${bytes.toString('latin1', 0, 200)}`)
        // A head comes in one piece, with or without some of the contents.
        const head = bytes.subarray(0, bytes.indexOf('\r\n\r\n') + 4)
        leftBytes = head.length + Number(/Content-Length: (\d+)/.exec(head.toString('latin1'))?.[1] ?? 0) - bytes.length
        isLast = head.includes('Connection: close')
      }
      if (leftBytes > 0) return
      answered[method] += 1
      if (!isLast) socket.write(message)
    })
  }
  for (const message of messages) open(message)
  await delay(WARM_UP_MS)
  process.send?.('measuring')
  const before = { ...answered }
  await delay(MEASURE_MS)
  if (failed > 0) throw new Error(`${failed} connections failed`)
  const rate = (method: keyof typeof answered): number => ((answered[method] - before[method]) / MEASURE_MS) * 1_000
  return { reads: rate('GET'), writes: rate('PUT') }
}

const OK = Buffer.from('HTTP/1.1 200')
const BODY = 'y'.repeat(1_024)

async function measure(readers: number, { what, sizeBytes, connections }: Kind, writers: number): Promise<void> {
  const data = await mkdtemp(join(tmpdir(), 'shoal-bench-'))
  const node = await startBusyNode({ data, 'readers-max': String(readers) })
  const client = new Client(node.s3Url)
  await client.s3.send(new CreateBucketCommand({ Bucket: 'bucket' }))
  await client.put('object', 'x'.repeat(sizeBytes))
  const get = await signedRequest(client, new GetObjectCommand({ Bucket: 'bucket', Key: 'object' }))
  const puts = []
  for (let at = 0; at < writers; at += 1)
    puts.push((await signedRequest(client, new PutObjectCommand({ Bucket: 'bucket', Key: `k${at}`, Body: BODY }))) + BODY)
  const messages = [...Array.from({ length: connections - writers }, () => get), ...puts]
  const load = { port: Number(new URL(node.s3Url).port), messages }
  const child = fork(fileURLToPath(import.meta.url), [JSON.stringify(load)])
  let cpu = process.cpuUsage()
  const { reads, writes } = await new Promise<Rates>((resolve, reject) => {
    child.on('message', (message) => {
      if (message === 'measuring') cpu = process.cpuUsage()
      else resolve(message as Rates)
    })
    child.once('exit', (code) => reject(new Error(`the load generator ended with ${code}`)))
  })
  const { user, system } = process.cpuUsage(cpu)
  const cpuUs = Math.round(((user + system) / ((reads + writes) * MEASURE_MS)) * 1_000)
  const cores = ((user + system) / MEASURE_MS / 1_000).toFixed(2)
  const rates = `${Math.round(reads)} GETs/s${writers === 0 ? '' : `, ${Math.round(writes)} PUTs/s`}`
  console.log(`${what}, ${readers} reader threads: ${rates}, ${cpuUs} µs of processor time each, ${cores} cores`)
  client.close()
  await node.stop()
  await rm(data, { recursive: true })
}

/** The head of the request that the client would send. */
async function signedRequest({ s3 }: Client, command: GetObjectCommand | PutObjectCommand): Promise<string> {
  let text = ''
  s3.middlewareStack.add(
    (next) => (args) => {
      const { method, path, query, headers } = args.request as SentRequest
      const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
      text = `${method} ${path}?${new URLSearchParams(query)} HTTP/1.1\r\n${lines.join('')}\r\n`
      return next(args)
    },
    { step: 'deserialize', priority: 'low', name: 'capture' },
  )
  if (command instanceof GetObjectCommand) await (await s3.send(command)).Body?.transformToByteArray()
  else await s3.send(command)
  s3.middlewareStack.remove('capture')
  return text
}

interface SentRequest {
  readonly method: string
  readonly path: string
  readonly query: Record<string, string>
  readonly headers: Record<string, string>
}

const [first, count = '0'] = process.argv.slice(2)
if (first?.startsWith('{') === true) {
  process.send?.(await generate(JSON.parse(first) as Load))
  process.exit()
}
const writers = first === 'writes' ? Number(count) : 0
const kinds = first === 'writes' ? KINDS.slice(0, 1) : KINDS.filter(({ what }) => what.startsWith(first ?? ''))
for (const kind of kinds) for (const readers of [0, 1, 0, 1]) await measure(readers, kind, writers)
