import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'

/** Where the metadata of strong volumes is agreed on. Once a data folder has one that isn't `home` it stays with it.
 *
 *  - `home`: on this node alone.
 *  - `managed`: in the cluster, by etcds that the nodes run. `endpoints`: client URLs of members, as last known; the founder's own before its
 *    etcd has run. `isFounder`: this node is to begin that etcd, and hasn't seen it run yet.
 *  - `external`: by an etcd that somebody else runs, whose endpoints are in the configuration. */
export type MetadataMode =
  | { readonly kind: 'home' }
  | { readonly kind: 'managed'; readonly endpoints: readonly string[]; readonly isFounder: boolean }
  | { readonly kind: 'external' }

const FILE = 'metadata-mode.json'
export const HOME_MODE: MetadataMode = { kind: 'home' }

/** `home` unless the folder says something else. @throws DATA_FORMAT, STORAGE_FAILED */
export async function readMetadataMode(files: Files, dataPath: string): Promise<MetadataMode> {
  const path = join(dataPath, FILE)
  const bytes = await files.read(path).catch((cause: unknown) => {
    throw storageError(cause, `read "${path}"`)
  })
  if (bytes === undefined) return HOME_MODE
  const mode = decodeMetadataMode(parse(bytes))
  if (mode !== undefined) return mode
  throw new ShoalError('DATA_FORMAT', `"${path}" is damaged, or of a newer release: restore it from a backup, or upgrade`)
}

/** Durable when the promise resolves. @throws NO_SPACE, STORAGE_FAILED */
export async function publishMetadataMode(files: Files, dataPath: string, mode: MetadataMode): Promise<void> {
  const path = join(dataPath, FILE)
  try {
    await files.publish(path, [Buffer.from(`${JSON.stringify(encodeMetadataMode(mode), undefined, 2)}\n`)], { mode: 0o600 })
  } catch (cause) {
    throw storageError(cause, `keep "${path}"`)
  }
}

/** As JSON has it. */
export function encodeMetadataMode(mode: MetadataMode): object {
  return { format: 1, ...mode }
}

/** What a node that joins this one's cluster begins with. */
export function modeForJoining(mode: MetadataMode): MetadataMode {
  return mode.kind === 'managed' ? { ...mode, isFounder: false } : mode
}

/** `undefined` for what makes no sense. */
export function decodeMetadataMode(value: unknown): MetadataMode | undefined {
  const { format, kind, endpoints, isFounder } = (value ?? {}) as Record<string, unknown>
  if (format !== 1) return undefined
  if (kind === 'home' || kind === 'external') return { kind }
  if (kind !== 'managed' || !Array.isArray(endpoints) || typeof isFounder !== 'boolean') return undefined
  if (!endpoints.every((endpoint) => typeof endpoint === 'string')) return undefined
  return { kind, endpoints, isFounder }
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8'))
  } catch {
    return undefined
  }
}
