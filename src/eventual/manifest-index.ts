import type { ChunkId } from '#foundation/ids.ts'
import { isUsedItself } from './chunk-uses.ts'
import { kindRange, listedUseKey, manifestKey, manifestOfListedUse, readManifestKey } from './keys.ts'
import { decodeManifest } from './manifest.ts'
import type { Replica } from './replica.ts'

/** Rows changed in one transaction. */
const STEP = 1_000
const LISTS_MAX = 64

/** Reads a chunk of a volume, from wherever it is. @throws what reading throws */
export type ReadManifest = (chunk: ChunkId, volume: string) => Promise<Buffer>

/** Notes what the lists of chunks of long files have, so that these chunks count as used. Each step can be the last.
 *  @returns how many lists could not be had */
export async function indexManifests(replica: Replica, read: ReadManifest, onFailure: (error: unknown) => void): Promise<number> {
  const waiting = await replica.store.read((snapshot) => [...snapshot.range({ ...kindRange('w'), limit: LISTS_MAX })])
  let failed = 0
  for (const { key, value } of waiting) {
    const manifest = readManifestKey(key)
    try {
      const isUsed = await replica.store.read((snapshot) => isUsedItself(replica, snapshot, manifest))
      if (isUsed) await noteListed(replica, manifest, await read(manifest, value.toString()))
      else await forgetUnused(replica, manifest)
    } catch (error) {
      onFailure(error)
      failed += 1
    }
  }
  return failed
}

async function noteListed(replica: Replica, manifest: ChunkId, bytes: Buffer): Promise<void> {
  const extents = decodeManifest(bytes)
  const id = Buffer.from(manifest, 'hex')
  for (let at = 0; at < extents.length; at += STEP) {
    const step = extents.slice(at, at + STEP)
    const isLast = at + STEP >= extents.length
    await replica.store.transact((transaction) => {
      for (const { chunk } of step) transaction.put(listedUseKey(chunk, manifest), id)
      if (!isLast) return
      transaction.delete(manifestKey('w', manifest))
      transaction.put(manifestKey('k', manifest), Buffer.alloc(0))
    })
  }
}

/** A list that nobody has any more need not be known. */
async function forgetUnused(replica: Replica, manifest: ChunkId): Promise<boolean> {
  return replica.store.transact((transaction) => {
    if (isUsedItself(replica, transaction, manifest)) return false
    transaction.delete(manifestKey('w', manifest))
    transaction.delete(manifestKey('k', manifest))
    return true
  })
}

/** Lets go of what is noted of lists that no version has any more. */
export async function tidyManifests(replica: Replica): Promise<void> {
  let forgotten = 0
  for await (const { key } of replica.store.range(kindRange('k')))
    if (await forgetUnused(replica, readManifestKey(key))) forgotten += 1
  if (forgotten === 0) return
  let step: Buffer[] = []
  const drop = async () => {
    const keys = step
    step = []
    await replica.store.transact((transaction) => {
      for (const key of keys) {
        const value = transaction.get(key)
        if (value === undefined) continue
        const manifest = manifestOfListedUse(value)
        const isKnown = (['k', 'w'] as const).some((letter) => transaction.get(manifestKey(letter, manifest)) !== undefined)
        if (!isKnown) transaction.delete(key)
      }
    })
  }
  for await (const { key } of replica.store.range(kindRange('n'))) {
    step.push(key)
    if (step.length === STEP) await drop()
  }
  await drop()
}
