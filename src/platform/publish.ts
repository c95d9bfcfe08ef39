import { basename, dirname, join } from 'node:path'
import type { Files, OpenFile, PublishOptions } from './files.ts'

/** What a publication needs of a file system. */
export interface PublishingFiles extends Pick<Files, 'rename' | 'remove' | 'syncFolder'> {
  open(path: string, how: 'create', mode?: number): Promise<PublishingFile>
}

export type PublishingFile = Pick<OpenFile, 'write' | 'setModified' | 'datasync' | 'close'>

const TEMPORARY_SUFFIX = '.shoal-tmp'
let publications = 0

/** Whether a file of this name is left over from a publication that a crash cut short: it may be removed when nobody
 *  else is at work in the folder. */
export function isTemporaryName(name: string): boolean {
  return name.startsWith('.') && name.endsWith(TEMPORARY_SUFFIX)
}

/** `Files.publish`, written once over the other methods: adapters delegate here, so that there is one order of steps. */
export async function publishThrough(
  files: PublishingFiles,
  path: string,
  pieces: Iterable<Uint8Array>,
  options: PublishOptions = {},
): Promise<void> {
  const folder = dirname(path)
  const temporaryPath = options.temporaryPath ?? join(folder, `.${basename(path)}.${(publications += 1)}${TEMPORARY_SUFFIX}`)
  const file = await files.open(temporaryPath, 'create', options.mode)
  try {
    try {
      await writeAll(file, pieces)
      if (options.modifiedMs !== undefined) await file.setModified(options.modifiedMs)
      // The contents first: a name must never point at bytes that a power loss can still take away.
      await file.datasync()
    } finally {
      await file.close()
    }
    await files.rename(temporaryPath, path)
  } catch (error) {
    await files.remove(temporaryPath).catch(() => false)
    throw error
  }
  await Promise.all([folder, ...(options.newFolders ?? [])].map((each) => files.syncFolder(each)))
}

async function writeAll(file: PublishingFile, pieces: Iterable<Uint8Array>): Promise<void> {
  if (Array.isArray(pieces)) return file.write(pieces as Uint8Array[], 0)
  let position = 0
  for (const piece of pieces) {
    await file.write([piece], position)
    position += piece.length
  }
}

/** `Files.makeFolder`, written once over the other methods. Even a folder that is there already is made durable: whoever
 *  made it may have died before doing so. */
export async function makeFolderThrough(files: Files, path: string, mode?: number): Promise<void> {
  const parent = dirname(path)
  if (parent === path) return
  if ((await files.facts(path))?.kind !== 'folder') {
    await makeFolderThrough(files, parent)
    await files.createFolder(path, mode)
  }
  await files.syncFolder(parent)
}
