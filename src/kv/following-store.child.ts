// A thread for `following-store.test.ts`: reads a store that another thread writes, until it is told to stop, and tells what it saw.
import { parentPort, workerData } from 'node:worker_threads'
import { openBlockingFile } from '#platform/node-blocking-file.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { CommitSignals } from './commit-signals.ts'
import { openLmdbFollower } from './lmdb.ts'
import type { Snapshot, Transaction } from './store.ts'

const KEYS = 40

const keyOf = (at: number): Buffer => Buffer.from(`k${String(at).padStart(3, '0')}`)
const decode = (value: Buffer): bigint => BigInt(value.toString('latin1').split(' ')[0] as string)

/** Gives all keys the same value, and each value one key of its own, which takes the place of the one before. */
export function writeAll(transaction: Transaction, value: bigint, fillBytes: number): void {
  for (let at = 0; at < KEYS; at += 1)
    transaction.put(keyOf(at), Buffer.from(`${value} ${'.'.repeat(at % 20 === 0 ? fillBytes : 10)}`))
  transaction.put(Buffer.from(`only ${value}`), Buffer.from('here'))
  transaction.delete(Buffer.from(`only ${value - 1n}`))
}

/** Every value that can be seen in one snapshot, in the ways there are to see it. */
function look(snapshot: Snapshot, round: number): bigint[] {
  const decoded = [0, 7, 39].map((at) => snapshot.getDecoded(keyOf(at), decode) ?? 0n)
  if (round % 4 !== 0) return decoded
  const range = { start: keyOf(0), end: Buffer.from('l'), reverse: round % 8 === 0 }
  const walked = [...snapshot.range(range)].map(({ value }) => decode(value))
  const only = [...snapshot.range({ start: Buffer.from('only') })].map(({ key }) => BigInt(key.toString('latin1').slice(5)))
  if (decoded[0] !== 0n && (walked.length !== KEYS || only.length !== 1))
    throw new Error(`${walked.length} keys with ${only.length} of their own`)
  return [...decoded, ...walked, ...only]
}

async function follow(): Promise<void> {
  const { path, signals, acknowledged } = workerData as Record<string, unknown>
  const words = new BigInt64Array(acknowledged as SharedArrayBuffer)
  const store = await openLmdbFollower({
    path: path as string,
    signals: new CommitSignals(signals as SharedArrayBuffer),
    openFile: openBlockingFile,
    clock: nodeClock,
  })
  const wrong: string[] = []
  const values = new Set<bigint>()
  let last = 0n
  let reads = 0
  for (; Atomics.load(words, 1) === 0n && wrong.length < 3; reads += 1) {
    const before = Atomics.load(words, 0)
    const found = await store.read((snapshot) => look(snapshot, reads))
    const [value = 0n] = found
    values.add(value)
    if (!found.every((other) => other === value)) wrong.push(`torn: ${[...new Set(found)].join(', ')}`)
    if (value < before) wrong.push(`stale: ${value} after ${before} was acknowledged`)
    if (value < last) wrong.push(`back: ${value} after ${last}`)
    last = value
    if (reads % 50 === 0) await new Promise(setImmediate)
  }
  await store.close()
  parentPort?.postMessage({ reads, values: values.size, wrong })
}

if (parentPort !== null) {
  // What the store waits for doesn't keep a thread alive.
  const alive = setInterval(() => {}, 1_000)
  await follow()
  clearInterval(alive)
}
