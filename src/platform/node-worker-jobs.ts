import type { ChecksumKind } from './block-checksums.ts'
import type { PublishOptions } from './files.ts'

/** Bytes in memory that threads share: no copy is made of them. */
export interface SharedBytes {
  readonly buffer: SharedArrayBuffer
  readonly byteOffset: number
  readonly length: number
}

/** What a worker thread does. */
export type Job =
  | { readonly kind: 'sha256'; readonly bytes: SharedBytes }
  | {
      readonly kind: 'sha256 and checksums'
      readonly bytes: SharedBytes
      readonly blockBytes: number
      readonly checksums: ChecksumKind
    }
  | { readonly kind: ChecksumKind; readonly bytes: SharedBytes; readonly blockBytes: number }
  | {
      readonly kind: 'publish'
      readonly path: string
      readonly pieces: readonly (SharedBytes | Uint8Array)[]
      readonly options: PublishOptions
    }

/** `error` with the system's code, which the copying of errors between threads drops. */
export type Answer =
  | { readonly result: Uint8Array | undefined }
  | { readonly failure: { readonly message: string; readonly code: string | undefined } }

/** `undefined` if the bytes are in ordinary memory. */
export function sharedBytes({ buffer, byteOffset, length }: Uint8Array): SharedBytes | undefined {
  return buffer instanceof SharedArrayBuffer ? { buffer, byteOffset, length } : undefined
}

/** In memory of its own. What is posted to another thread takes the whole buffer along that its bytes lie in, and of a short
 *  result from Node's pool that is 64 KiB, copied twice: enough of them drove the garbage collector through the heap four times a
 *  second while 1 GiB/s were read. */
export function unpooled(bytes: Uint8Array): Uint8Array {
  return bytes.length === bytes.buffer.byteLength ? bytes : new Uint8Array(bytes)
}
