import { join, resolve } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { storageError } from './files.ts'
import type { Files } from './files.ts'
import { LOCK_NAME, lockFolder } from './folder-lock.ts'
import { isTemporaryName } from './publish.ts'
import type { Random } from './random.ts'

/** The newest format of a data folder that this version reads and writes: see docs/formats/data-folder.md. */
export const DATA_FORMAT = 5

const FORMAT_NAME = 'format.json'
/** What may lie in a folder that still counts as empty: a lock from a start that was cut short, what mkfs leaves, and the
 *  configuration that an operator put there before the first start. */
const NEGLIGIBLE_NAMES = new Set([LOCK_NAME, 'lost+found', 'shoal.yaml'])

export interface DataFolder {
  /** Absolute. */
  readonly path: string
  /** Drawn when the folder was made, and kept for good. */
  readonly nodeId: NodeId
  /** 32 lower-case hexadecimal characters; drawn with it, and replaced once if the node joins a cluster. */
  readonly clusterId: string
  readonly format: number
  /** Releases the lock. Repeating it is harmless. */
  close(): Promise<void>
}

export interface DataFolderOptions {
  readonly files: Files
  readonly random: Random
  /** The version of Shoal that asks, written into a new folder. */
  readonly version: string
}

interface Format {
  readonly format: number
  readonly createdBy: string
  readonly clusterId: string
  readonly nodeId: NodeId
}

/** Opens the folder in which a node keeps everything, and makes it (mode 0700) if it isn't there. The folder is locked
 *  against every other process until `close` or the end of this one, however it ends.
 *  @throws DATA_IN_USE, DATA_FORMAT (a newer format, or a folder that isn't Shoal's), NO_SPACE, STORAGE_FAILED */
export async function openDataFolder(path: string, options: DataFolderOptions): Promise<DataFolder> {
  const { files } = options
  const root = resolve(path)
  try {
    await refuseForeignFolder(files, root)
    await files.makeFolder(root, 0o700)
    const lock = await lockFolder(files, root, 'data folder')
    try {
      await removeLeftovers(files, root)
      const { format, nodeId, clusterId } = (await readFormat(files, root)) ?? (await makeFormat(root, options))
      return { path: root, nodeId, clusterId, format, close: () => lock.close() }
    } catch (error) {
      await lock.close()
      throw error
    }
  } catch (error) {
    throw storageError(error, `open the data folder "${root}"`)
  }
}

/** Makes the folder that of a node of another cluster: the answer of a join. The node's id stays. Durable when the promise
 *  resolves. @throws DATA_FORMAT, NO_SPACE, STORAGE_FAILED */
export async function adoptCluster(folder: DataFolder, clusterId: string, files: Files): Promise<DataFolder> {
  try {
    const known = await readFormat(files, folder.path)
    if (known === undefined) throw new ShoalError('DATA_FORMAT', `"${folder.path}" has lost its "${FORMAT_NAME}"`)
    await writeFormat(files, folder.path, { ...known, clusterId })
    return { ...folder, clusterId, close: () => folder.close() }
  } catch (error) {
    throw storageError(error, `make "${folder.path}" the data folder of another cluster`)
  }
}

async function refuseForeignFolder(files: Files, root: string): Promise<void> {
  const facts = await files.facts(root)
  if (facts === undefined) return
  if (facts.kind !== 'folder') {
    throw new ShoalError('DATA_FORMAT', `Cannot keep data in "${root}": it is a file, not a folder`)
  }
  const names = (await files.list(root)) ?? []
  if (names.includes(FORMAT_NAME)) return
  const foreign = names.find((name) => !NEGLIGIBLE_NAMES.has(name) && !isTemporaryName(name))
  if (foreign === undefined) return
  throw new ShoalError(
    'DATA_FORMAT',
    `"${root}" is not a data folder of Shoal: it has no "${FORMAT_NAME}", but holds "${foreign}". Name an empty folder or a new one`,
  )
}

async function removeLeftovers(files: Files, root: string): Promise<void> {
  for (const name of (await files.list(root)) ?? []) {
    if (isTemporaryName(name)) await files.remove(join(root, name))
  }
}

async function readFormat(files: Files, root: string): Promise<Format | undefined> {
  const path = join(root, FORMAT_NAME)
  const bytes = await files.read(path)
  if (bytes === undefined) return undefined
  const read = parseObject(bytes)
  if (read === undefined || !Number.isSafeInteger(read.format)) {
    throw new ShoalError('DATA_FORMAT', `"${path}" is damaged: it should be a JSON object with the number "format"`)
  }
  const { format, createdBy, clusterId, nodeId } = read as unknown as Format
  if (format > DATA_FORMAT) {
    throw new ShoalError(
      'DATA_FORMAT',
      `The data folder "${root}" has format ${format}, and this version of Shoal knows formats up to ${DATA_FORMAT}. Use the newer version that wrote it`,
      { details: { path: root, format, known: DATA_FORMAT } },
    )
  }
  if (format < 1 || !isId(clusterId) || !isId(nodeId)) {
    throw new ShoalError('DATA_FORMAT', `"${path}" is damaged: "format", "clusterId" or "nodeId" has no meaning`)
  }
  const known = { format: DATA_FORMAT, createdBy: String(createdBy), clusterId, nodeId: nodeId as NodeId }
  // What older versions wrote is read as it is; from now on there may be what they would misread.
  if (format < DATA_FORMAT) await writeFormat(files, root, known)
  return known
}

async function makeFormat(root: string, { files, random, version }: DataFolderOptions): Promise<Format> {
  const format: Format = {
    format: DATA_FORMAT,
    createdBy: version,
    clusterId: random.bytes(16).toString('hex'),
    nodeId: random.bytes(16).toString('hex') as NodeId,
  }
  await writeFormat(files, root, format)
  return format
}

async function writeFormat(files: Files, root: string, format: Format): Promise<void> {
  const text = `${JSON.stringify(format, undefined, 2)}\n`
  await files.publish(join(root, FORMAT_NAME), [Buffer.from(text)], { mode: 0o600 })
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{32}$/.test(value)
}

function parseObject(bytes: Buffer | undefined): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(String(bytes))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
