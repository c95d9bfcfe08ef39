import { ShoalError } from './errors.ts'

declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** SHA-256 of a chunk's bytes, 64 lower-case hexadecimal characters. */
export type ChunkId = Branded<string, 'ChunkId'>
/** Number of an inode within its volume; the root directory is 1. A safe integer, never used twice. */
export type InodeId = Branded<number, 'InodeId'>
/** Number of a volume, never used twice within a cluster. */
export type VolumeId = Branded<number, 'VolumeId'>
/** Number of a tenant; 1 is the default tenant, 0 is the system itself. */
export type TenantId = Branded<number, 'TenantId'>
/** Name of an upload session: 32 lower-case hexadecimal characters. */
export type UploadId = Branded<string, 'UploadId'>
/** Name of a node, drawn when its data folder is made: 32 lower-case hexadecimal characters. */
export type NodeId = Branded<string, 'NodeId'>

export const ROOT_INODE = 1 as InodeId
export const DEFAULT_TENANT = 1 as TenantId

export function parseChunkId(text: string): ChunkId {
  if (!/^[0-9a-f]{64}$/.test(text)) {
    throw new ShoalError('INVALID_ARGUMENT', `"${text}" is not a chunk id: 64 lower-case hexadecimal characters are expected`)
  }
  return text as ChunkId
}

export function parseUploadId(text: string): UploadId {
  if (!/^[0-9a-f]{32}$/.test(text)) {
    throw new ShoalError('UPLOAD_NOT_FOUND', `There is no upload "${text}": an upload id has 32 hexadecimal characters`)
  }
  return text as UploadId
}
