// Encrypted contents, chunk by chunk: docs/formats/chunks.md. A chunk of an encrypted file is a nonce, the ciphertext of
// AES-256-GCM and its tag; its id is the digest of that. Extents count the bytes of the file, and begin behind the nonce.

import { createCipheriv, createDecipheriv, createHmac, hkdfSync } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { ObjectEncryption } from '#metadata/object-part.ts'
import { type Files, storageError } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'

const KEY_BYTES = 32
export const NONCE_BYTES = 12
const TAG_BYTES = 16
/** By how much a chunk is longer than its part of the file. */
export const SEAL_BYTES = NONCE_BYTES + TAG_BYTES
/** Bytes that go through the cipher at a time: each such step has a buffer of its own. */
const STEP_BYTES = 64 * 1024
const SALT_BYTES = 16

/** A file's own key. */
export interface ContentKey {
  readonly key: Buffer
  readonly random: Random
  /** The tags of such contents tell nothing of them: whoever lacks the key shall not even be able to guess. */
  readonly isBlind: boolean
}

/** Seals the `length` bytes that begin at `NONCE_BYTES` of `buffer`, in place; there must be room for the tag. Gives the
 *  chunk. */
export function sealChunk(buffer: Buffer, length: number, { key, random }: Pick<ContentKey, 'key' | 'random'>): Buffer {
  const nonce = random.bytes(NONCE_BYTES)
  buffer.set(nonce, 0)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  const end = NONCE_BYTES + length
  for (let at = NONCE_BYTES; at < end; at += STEP_BYTES)
    buffer.set(cipher.update(buffer.subarray(at, Math.min(end, at + STEP_BYTES))), at)
  cipher.final()
  buffer.set(cipher.getAuthTag(), end)
  return buffer.subarray(0, end + TAG_BYTES)
}

/** Opens a whole chunk, in place, and gives the bytes of the file. @throws CORRUPT */
export function openChunk(chunk: Buffer, key: Buffer): Buffer {
  if (chunk.length < SEAL_BYTES) throw corrupt()
  const end = chunk.length - TAG_BYTES
  const decipher = createDecipheriv('aes-256-gcm', key, chunk.subarray(0, NONCE_BYTES)).setAuthTag(chunk.subarray(end))
  for (let at = NONCE_BYTES; at < end; at += STEP_BYTES)
    chunk.set(decipher.update(chunk.subarray(at, Math.min(end, at + STEP_BYTES))), at)
  try {
    decipher.final()
  } catch (cause) {
    throw corrupt(cause)
  }
  return chunk.subarray(NONCE_BYTES, end)
}

function corrupt(cause?: unknown): ShoalError {
  return new ShoalError('CORRUPT', "An encrypted chunk doesn't match its tag: it was changed, or belongs to another file", {
    ...(cause === undefined ? {} : { cause }),
  })
}

/** A tag of contents that tells nothing of them to whoever hasn't the key: 16 bytes. */
export function blindTag(md5: Buffer, key: Buffer): Buffer {
  return createHmac('sha256', key).update('shoal entity tag').update(md5).digest().subarray(0, 16)
}

/** Makes files' own keys, and opens them again. The keys are kept with the files, sealed: with the master key of the node,
 *  or with one that the client brings each time and that isn't kept. */
export class ContentKeys {
  readonly #master: Buffer
  readonly #random: Random

  constructor(master: Buffer, random: Random) {
    this.#master = master
    this.#random = random
  }

  make(customerKey?: Buffer): { readonly key: ContentKey; readonly encryption: ObjectEncryption } {
    const key = this.#random.bytes(KEY_BYTES)
    const salt = this.#random.bytes(SALT_BYTES)
    const sealed = this.#seal(key, wrappingKey(customerKey ?? this.#master, salt))
    const encryption = {
      kind: customerKey === undefined ? ('node' as const) : ('customer' as const),
      key: Buffer.concat([salt, sealed]).toString('base64'),
    }
    return { key: { key, random: this.#random, isBlind: customerKey !== undefined }, encryption }
  }

  /** `undefined` if that isn't the key that it was sealed with. */
  open({ kind, key }: ObjectEncryption, customerKey?: Buffer): ContentKey | undefined {
    const bytes = Buffer.from(key, 'base64')
    const wrapping = kind === 'node' ? this.#master : customerKey
    if (wrapping === undefined || bytes.length !== SALT_BYTES + KEY_BYTES + SEAL_BYTES) return undefined
    const sealed = bytes.subarray(SALT_BYTES)
    try {
      const opened = Buffer.from(openChunk(sealed, wrappingKey(wrapping, bytes.subarray(0, SALT_BYTES))))
      return { key: opened, random: this.#random, isBlind: kind === 'customer' }
    } catch {
      return undefined
    }
  }

  #seal(key: Buffer, wrapping: Buffer): Buffer {
    const buffer = Buffer.alloc(KEY_BYTES + SEAL_BYTES)
    key.copy(buffer, NONCE_BYTES)
    return sealChunk(buffer, KEY_BYTES, { key: wrapping, random: this.#random })
  }
}

function wrappingKey(secret: Buffer, salt: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, salt, 'shoal content key', KEY_BYTES))
}

/** The keys of the data folder `dataPath`, whose master key is kept in `content-key` (mode 0600) and made on the first
 *  start. @throws DATA_FORMAT for a damaged file; STORAGE_FAILED, NO_SPACE */
export async function openContentKeys(
  dataPath: string,
  { files, random }: { readonly files: Files; readonly random: Random },
): Promise<ContentKeys> {
  const path = contentKeyPath(dataPath)
  try {
    const kept = await files.read(path)
    if (kept !== undefined && kept.length !== KEY_BYTES)
      throw new ShoalError('DATA_FORMAT', `"${path}" is damaged: it has ${kept.length} bytes instead of ${KEY_BYTES}. Restore it`)
    const master = kept ?? random.bytes(KEY_BYTES)
    if (kept === undefined) await files.publish(path, [master], { mode: 0o600 })
    return new ContentKeys(Buffer.from(master), random)
  } catch (cause) {
    throw storageError(cause, `keep the master key of encrypted contents in ${path}`)
  }
}

export function contentKeyPath(dataPath: string): string {
  return `${dataPath}/content-key`
}
