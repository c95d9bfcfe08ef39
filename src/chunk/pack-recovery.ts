import { join } from 'node:path'
import { assert } from '#foundation/assert.ts'
import type { Log } from '#observe/log.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import { loadCheckpoint } from './index-checkpoint.ts'
import type { ScannedPacks } from './index-checkpoint.ts'
import { PACK_HEADER_BYTES, SALT_BYTES, decodePackHeader, packName, parsePackName } from './pack-format.ts'
import { scanPack } from './pack-scan.ts'
import { PackSet } from './pack-set.ts'
import type { Pack } from './pack-set.ts'

export interface RecoveryOptions {
  readonly folder: string
  readonly checkpointPath: string
  readonly files: Files
  readonly log: Log
  readonly nowMs: number
}

export interface RecoveredPacks {
  readonly set: PackSet
  readonly lastNumber: number
  /** The pack to go on with, open for writing. */
  readonly active: { readonly pack: Pack; readonly file: OpenFile } | undefined
  /** What had to be read again since there was no checkpoint of it. */
  readonly scannedBytes: number
}

/** Finds out what the packs hold: from the checkpoint, and from the records that came after it. The newest pack is cut
 *  behind its last intact record, since a crash may have torn what came then; nothing else is ever cut. All that the
 *  index names afterwards is durable, also what a process wrote that died before it could flush. */
export async function recoverPacks(options: RecoveryOptions): Promise<RecoveredPacks> {
  const { files, folder, log } = options
  const numbers = await listPacks(options)
  const sizes = new Map<number, number>()
  for (const number of numbers) sizes.set(number, (await files.facts(join(folder, packName(number))))?.sizeBytes ?? 0)

  const set = new PackSet()
  const { checkpointPath: path, nowMs: touchedAtMs } = options
  const loaded = await loadCheckpoint({ files, path, set, sizes, touchedAtMs })
  if (typeof loaded !== 'string') {
    const recovered = await recoverFrom(loaded, { ...options, set, sizes })
    if (recovered !== undefined) return recovered
    set.clear()
  }
  const reason = typeof loaded === 'string' ? loaded : 'it belongs to other packs'
  if (numbers.length > 0) log.warn('index of packs is rebuilt', { reason, packs: numbers.length })
  const rebuilt = await recoverFrom(new Map(), { ...options, set, sizes })
  assert(rebuilt !== undefined, 'nothing can contradict a checkpoint that is not used')
  return rebuilt
}

/** `undefined` if the checkpoint, of which `scanned` tells, is one of other packs. */
async function recoverFrom(
  scanned: ScannedPacks,
  options: RecoveryOptions & { set: PackSet; sizes: ReadonlyMap<number, number> },
): Promise<RecoveredPacks | undefined> {
  const { files, folder, set, sizes } = options
  const numbers = [...sizes.keys()]
  let scannedBytes = 0
  let active: RecoveredPacks['active']
  for (const [index, number] of numbers.entries()) {
    const sizeBytes = sizes.get(number) ?? 0
    const newest = index === numbers.length - 1
    if (!newest && scanned.get(number)?.scannedTo === sizeBytes) continue
    scannedBytes += sizeBytes - (scanned.get(number)?.scannedTo ?? 0)
    const recovery = new PackRecovery(options, set, { number, sizeBytes, newest })
    const outcome = await recovery.run(scanned.get(number)?.scannedTo)
    if (outcome === 'other pack') return undefined
    active = outcome
  }
  await files.syncFolder(folder)
  return { set, lastNumber: numbers.at(-1) ?? 0, active, scannedBytes }
}

async function listPacks({ files, folder, log }: RecoveryOptions): Promise<number[]> {
  const numbers: number[] = []
  for (const name of (await files.list(folder)) ?? []) {
    const number = parsePackName(name)
    if (number === undefined) log.warn('unknown file among the packs', { folder, name })
    else numbers.push(number)
  }
  return numbers.toSorted((a, b) => a - b)
}

class PackRecovery {
  readonly #options: RecoveryOptions
  readonly #set: PackSet
  readonly #number: number
  readonly #path: string
  readonly #newest: boolean
  #sizeBytes: number

  constructor(options: RecoveryOptions, set: PackSet, pack: { number: number; sizeBytes: number; newest: boolean }) {
    this.#options = options
    this.#set = set
    this.#number = pack.number
    this.#path = join(options.folder, packName(pack.number))
    this.#sizeBytes = pack.sizeBytes
    this.#newest = pack.newest
  }

  /** Takes in what the pack holds from `scannedTo` on. Answers it, open, if records can be appended to it. */
  async run(scannedTo: number | undefined): Promise<RecoveredPacks['active'] | 'other pack'> {
    const file = await this.#options.files.open(this.#path, this.#newest ? 'update' : 'read')
    let keepOpen = false
    try {
      const header = await this.#introduce(file)
      if (header === 'of another pack') return 'other pack'
      const headerIsSound = header === 'sound'
      const pack = this.#set.find(this.#number)
      if (pack === undefined) return undefined
      await this.#scan(file, pack, { from: scannedTo ?? PACK_HEADER_BYTES, mayCut: this.#newest && headerIsSound })
      pack.sizeBytes = this.#sizeBytes
      if (!this.#newest) return undefined
      await file.datasync()
      keepOpen = headerIsSound
      return headerIsSound ? { pack, file } : undefined
    } finally {
      if (!keepOpen) await file.close()
    }
  }

  /** Makes the pack known to the set, by its header or in spite of it. */
  async #introduce(file: OpenFile): Promise<'sound' | 'damaged' | 'of another pack'> {
    const { log } = this.#options
    const bytes = Buffer.alloc(PACK_HEADER_BYTES)
    const header = decodePackHeader(bytes.subarray(0, await file.read(bytes, 0)))
    const known = this.#set.find(this.#number)
    if (header?.number === this.#number) {
      if (known !== undefined && !known.salt.equals(header.salt)) return 'of another pack'
      if (known === undefined) this.#set.add(this.#number, header.salt)
      return 'sound'
    }
    if (known !== undefined) {
      log.warn('header of a pack is damaged', { path: this.#path })
      return 'damaged'
    }
    const salt = await this.#findSalt(file)
    if (salt === undefined && this.#newest && this.#sizeBytes <= PACK_HEADER_BYTES) {
      await this.#removeUnfinished(file)
      return 'damaged'
    }
    log.warn('header of a pack is damaged', { path: this.#path, recordsFound: salt !== undefined })
    const pack = this.#set.add(this.#number, salt ?? Buffer.alloc(SALT_BYTES))
    // Without a single intact record there is nothing to save, but perhaps something for a person to look at.
    pack.damaged = salt === undefined
    return 'damaged'
  }

  /** The crash came while the pack was being made: it never held a record. */
  async #removeUnfinished(file: OpenFile): Promise<void> {
    this.#options.log.info('unfinished pack is removed', { path: this.#path })
    await file.close()
    await this.#options.files.remove(this.#path)
  }

  async #findSalt(file: OpenFile): Promise<Buffer | undefined> {
    for await (const event of scanPack({ file, sizeBytes: this.#sizeBytes, from: PACK_HEADER_BYTES, salt: undefined })) {
      if (event.kind !== 'record') continue
      const salt = Buffer.alloc(SALT_BYTES)
      await file.read(salt, event.offset + 16)
      return salt
    }
    return undefined
  }

  async #scan(file: OpenFile, pack: Pack, { from, mayCut }: { from: number; mayCut: boolean }): Promise<void> {
    const { log, nowMs } = this.#options
    for await (const event of scanPack({ file, sizeBytes: this.#sizeBytes, from, salt: pack.salt })) {
      const { offset } = event
      if (event.kind === 'record') {
        this.#set.apply(event.header, { pack: pack.number, offset }, nowMs)
        continue
      }
      const { kind, lengthBytes } = event
      const cut = kind === 'tail' && mayCut
      log.warn(cut ? 'torn end of a pack is cut' : 'damaged bytes in a pack are skipped', {
        path: this.#path,
        offset,
        lengthBytes,
      })
      if (!cut) continue
      await file.truncate(offset)
      this.#sizeBytes = offset
    }
  }
}
