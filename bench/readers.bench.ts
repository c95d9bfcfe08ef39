// Signed GETs a second over S3, without and with a reader thread, for each kind of contents: in the metadata, in a pack, in files. The client is
// `wrk` (Debian has it), which sends the same bytes again and again: what it takes of a core is a small part of what the node takes, unlike real clients.
//
// With `writes N`, N of 16 requests PUT objects of 1 KiB; with `1`, `64` or `8` only that kind is measured.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { Client, startBusyNode } from '../src/node/reader-threads.suite.ts'
import { failuresOf, latencyMs, runWrk, writeMessages } from '../tools/peers/wrk.ts'

/** Two threads take their time to be started, and connections to be dealt out. */
const WARM_UP_S = 6
const MEASURE_S = 5

interface Kind {
  readonly what: string
  readonly sizeBytes: number
  readonly connections: number
}

/** Messages until they begin anew. */
const CYCLE = 16

const KINDS: readonly Kind[] = [
  { what: '1 KiB, in the metadata', sizeBytes: 1_024, connections: 16 },
  { what: '64 KiB, in a pack', sizeBytes: 65_536, connections: 16 },
  { what: '8 MiB, in a file', sizeBytes: 8_388_608, connections: 4 },
]

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
  const gets = Array.from({ length: CYCLE - writers }, () => get)
  const messages = join(data, 'messages')
  await writeMessages(messages, writers === 0 ? [get] : [...gets, ...puts])
  const load = { wrk: 'wrk', url: node.s3Url, messages, connections }
  await runWrk({ ...load, seconds: WARM_UP_S })
  const before = process.cpuUsage()
  const run = await runWrk({ ...load, seconds: MEASURE_S })
  const { user, system } = process.cpuUsage(before)
  const failures = failuresOf(run)
  if (failures !== undefined) throw new Error(failures)
  const { answers, seconds } = run
  const cpuUs = user + system
  const facts = [
    `${Math.round(answers / seconds)}/s${writers === 0 ? '' : `, ${writers} of ${CYCLE} PUTs`}`,
    `p50 ${latencyMs([run], 0.5).toFixed(2)} ms, p99 ${latencyMs([run], 0.99).toFixed(1)} ms`,
    `${Math.round(cpuUs / answers)} µs of processor time each`,
    `${(cpuUs / 1e6 / seconds).toFixed(2)} cores`,
  ]
  console.log(`${what}, ${readers} reader threads: ${facts.join(', ')}`)
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
const writersOf = first === 'writes' ? Number(count) : 0
const kinds = first === 'writes' ? KINDS.slice(0, 1) : KINDS.filter(({ what }) => what.startsWith(first ?? ''))
for (const kind of kinds) for (const readers of [0, 1, 0, 1]) await measure(readers, kind, writersOf)
