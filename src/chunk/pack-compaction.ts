import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { ChunkId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { Files } from '#platform/files.ts'
import type { IdTurns } from './id-turns.ts'
import { PACK_HEADER_BYTES, packName, recordBytes } from './pack-format.ts'
import type { PackRecord } from './pack-format.ts'
import type { PackLog } from './pack-log.ts'
import { scanPack } from './pack-scan.ts'
import type { ScanEvent } from './pack-scan.ts'
import type { Pack, PackSet } from './pack-set.ts'
import type { StorageHealth } from './storage-health.ts'

export interface CompactionOptions {
  /** The step ends once it has copied this much; the next one goes on there. */
  readonly budgetBytes: number
  /** Packs with at most this share of live bytes are compacted, the emptiest first; 0.5 unless given. */
  readonly maxLiveShare?: number
  /** Ends the step between two groups of records with CANCELLED. What was copied stays copied. */
  readonly signal?: AbortSignal
}

export interface CompactionStep {
  /** What the step wrote to the newest pack. */
  readonly copiedBytes: number
  /** What the removal of the pack gave back; 0 while the pack isn't finished. */
  readonly freedBytes: number
  /** True if no pack is left to compact. */
  readonly idle: boolean
}

export interface CompactionContext {
  readonly folder: string
  readonly files: Files
  readonly log: Log
  readonly health: StorageHealth
  readonly set: PackSet
  readonly packLog: PackLog
  readonly turns: IdTurns
  /** Closes what readers keep open of a pack that is gone. */
  release(path: string): Promise<void>
}

/** Records are copied in groups, each made durable by few flushes. */
const GROUP_BYTES = 1024 * 1024

/** Copies what is alive in mostly dead packs to the newest pack and removes them. A copy takes back its original, so that
 *  a crash at any point leaves each chunk alive once: either there or here. */
export class PackCompaction {
  readonly #context: CompactionContext
  #place: { readonly pack: number; offset: number } | undefined
  #last: Promise<unknown> = Promise.resolve()

  constructor(context: CompactionContext) {
    this.#context = context
  }

  /** One step; steps asked for at the same time happen one after another. */
  step(options: CompactionOptions): Promise<CompactionStep> {
    const step = this.#last.then(() => this.#step(options))
    this.#last = step.catch(() => undefined)
    return step
  }

  async settle(): Promise<void> {
    await this.#last
  }

  async #step(options: CompactionOptions): Promise<CompactionStep> {
    const { health } = this.#context
    health.check()
    const pack = this.#resumed() ?? this.#emptiest(options.maxLiveShare ?? 0.5)
    if (pack === undefined) return { copiedBytes: 0, freedBytes: 0, idle: true }
    this.#place ??= { pack: pack.number, offset: PACK_HEADER_BYTES }
    const { copiedBytes, finished } = await this.#copy(pack, this.#place, options)
    if (!finished) return { copiedBytes, freedBytes: 0, idle: false }
    this.#place = undefined
    return { copiedBytes, freedBytes: await this.#remove(pack), idle: false }
  }

  #resumed(): Pack | undefined {
    const pack = this.#place === undefined ? undefined : this.#context.set.find(this.#place.pack)
    if (pack === undefined) this.#place = undefined
    return pack
  }

  #emptiest(maxLiveShare: number): Pack | undefined {
    const { set, packLog } = this.#context
    let best: { pack: Pack; share: number } | undefined
    for (const pack of set.packs) {
      // The newest pack stays even when it is sealed: its number must not be given to another one after a restart.
      if (pack.number === packLog.activeNumber || pack.number === packLog.lastNumber || pack.damaged) continue
      const share = set.liveShare(pack)
      if (share <= maxLiveShare && (best === undefined || share < best.share)) best = { pack, share }
    }
    return best?.pack
  }

  async #copy(
    pack: Pack,
    place: { offset: number },
    { budgetBytes, signal }: CompactionOptions,
  ): Promise<{ copiedBytes: number; finished: boolean }> {
    const { files, folder } = this.#context
    const file = await files.open(join(folder, packName(pack.number)), 'read')
    let copiedBytes = 0
    try {
      let group: Promise<number>[] = []
      let groupBytes = 0
      const { sizeBytes, salt } = pack
      for await (const event of scanPack({ file, sizeBytes, from: place.offset, salt })) {
        if (event.kind !== 'record') continue
        group.push(this.#carryOver(pack, event))
        groupBytes += recordBytes(event.header.lengthBytes)
        if (groupBytes < Math.min(GROUP_BYTES, budgetBytes)) continue
        copiedBytes += await sumOf(group)
        place.offset = event.offset + recordBytes(event.header.lengthBytes)
        group = []
        groupBytes = 0
        if (signal?.aborted) throw new ShoalError('CANCELLED', `The compaction of pack ${pack.number} was cancelled`)
        if (copiedBytes >= budgetBytes && place.offset < sizeBytes) return { copiedBytes, finished: false }
      }
      copiedBytes += await sumOf(group)
      return { copiedBytes, finished: true }
    } finally {
      await file.close()
    }
  }

  /** Copies what of the record must outlive its pack; answers how many bytes that took. */
  async #carryOver(pack: Pack, { offset, header, payload }: Extract<ScanEvent, { kind: 'record' }>): Promise<number> {
    const { id, kills } = header
    const here = { pack: pack.number, offset }
    let copiedBytes = 0
    if (header.lengthBytes > 0 && this.#isAt(id, here)) {
      copiedBytes += await this.#context.turns.run(id, async () => {
        if (!this.#isAt(id, here)) return 0
        return this.#append({ id, payload, kills: here })
      })
    }
    if (kills !== undefined && kills.pack !== pack.number && this.#context.set.has(kills.pack)) {
      copiedBytes += await this.#append({ id, payload: undefined, kills })
    }
    return copiedBytes
  }

  #isAt(id: ChunkId, place: { pack: number; offset: number }): boolean {
    const known = this.#context.set.index.find(id)
    return known !== undefined && known.pack === place.pack && known.offset === place.offset
  }

  async #append(record: PackRecord): Promise<number> {
    await this.#context.packLog.append(record, 0)
    return recordBytes(record.payload?.length ?? 0)
  }

  async #remove(pack: Pack): Promise<number> {
    const { files, folder, health, log, set } = this.#context
    const path = join(folder, packName(pack.number))
    if (pack.liveChunks > 0) {
      pack.damaged = true
      log.error('pack is kept since it holds damaged chunks', { path, chunks: pack.liveChunks })
      return 0
    }
    try {
      await files.remove(path)
      await this.#context.release(path)
      // Before anything relies on the pack being gone: the records that take back some of its own are droppable now.
      await files.syncFolder(folder)
    } catch (cause) {
      throw health.failWrite(cause, `remove pack ${pack.number}`)
    }
    set.drop(pack.number)
    return pack.sizeBytes
  }
}

async function sumOf(group: readonly Promise<number>[]): Promise<number> {
  const results = await Promise.allSettled(group)
  let sum = 0
  for (const result of results) {
    if (result.status === 'rejected') throw result.reason
    sum += result.value
  }
  return sum
}
