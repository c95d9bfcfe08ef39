import { openMemoryChunkStore } from '#chunk/memory.ts'
import type { ChunkStore } from '#chunk/store.ts'
import { parsePath } from '#foundation/path.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { silentLog } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { nodeDigests } from '#platform/node-digests.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { StrongVolumes } from './strong-volumes.ts'
import type { StrongVolumesOptions } from './strong-volumes-options.ts'
import type { GuardedVolume } from './locks.ts'
import type { OpenFile } from './volume.ts'

export const caller = { principal: 'tester' }
export const p = parsePath

/** A clock that stands still until it is told to move. */
export class ManualClock implements Clock {
  #nowMs = 1_700_000_000_000
  nowMs = (): number => this.#nowMs
  nowNs = (): bigint => BigInt(this.#nowMs) * 1_000_000n
  monotonicMs = (): number => this.#nowMs
  sleep = (): Promise<void> => new Promise(() => {})
  advance(ms: number): void {
    this.#nowMs += ms
  }
}

export interface Fixture {
  readonly clock: ManualClock
  readonly kv: KeyValueStore
  readonly chunks: ChunkStore
  readonly volumes: StrongVolumes
  readonly volume: GuardedVolume
}

/** Volumes over memory stores, with a volume "docs" of 1 MiB chunks. */
export async function openFixture(
  options: Partial<StrongVolumesOptions> & { readonly clock?: ManualClock } = {},
): Promise<Fixture> {
  const clock = options.clock ?? new ManualClock()
  const kv = options.kv ?? openMemoryStore()
  const chunks = options.chunks ?? openMemoryChunkStore({ clock })
  const volumes = new StrongVolumes({
    kv,
    chunks,
    clock,
    random: nodeRandom,
    digests: nodeDigests,
    log: silentLog,
    nodeId: 'node-1',
    changeRingEntries: 100_000,
    uploadExpiryMs: 60_000,
    gcGraceMs: 1_000,
    gcIntervalMs: 1_000,
    sweepIntervalMs: 1_000,
    writeBufferBytes: 64 * 1024 * 1024,
    ...options,
  })
  if ((await volumes.find('docs')) === undefined) await volumes.create('docs', { chunkSizeBytes: 1024 * 1024 }, caller)
  return { clock, kv, chunks, volumes, volume: await volumes.open('docs') }
}

export async function* bodyOf(...pieces: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece as Uint8Array)
}

export async function readAll(file: OpenFile | undefined): Promise<Buffer> {
  if (file === undefined) throw new Error('There is no such file')
  const pieces: Buffer[] = []
  for await (const piece of file.read({ offset: 0, length: file.attributes.sizeBytes })) pieces.push(Buffer.from(piece))
  file.close()
  return Buffer.concat(pieces)
}

/** Bytes that look random and are the same every time. */
export function pattern(length: number, seed = 1): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  let state = seed
  for (let at = 0; at < length; at += 1) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    bytes[at] = state >> 16
  }
  return bytes
}
