import { createCipheriv, createDecipheriv } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'

const KEY_BYTES = 32
const NONCE_BYTES = 12
const TAG_BYTES = 16

/** Encrypts secrets that have to be had again in the clear: signatures are computed with them. A copy of the metadata
 *  alone, a backup say, gives none of them away. docs/formats/data-folder.md describes it byte by byte. */
export class KeySeal {
  readonly #key: Buffer
  readonly #random: Random

  constructor(key: Buffer, random: Random) {
    this.#key = key
    this.#random = random
  }

  /** AES-256-GCM: nonce, ciphertext, tag. `name` is bound to it: the sealed secret of one key is none of another. */
  seal(name: string, secret: string): Buffer {
    const nonce = this.#random.bytes(NONCE_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(name, 'utf8'))
    return Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()])
  }

  /** `undefined` if it was sealed with another key or for another name, or was changed since. */
  open(name: string, sealed: Buffer): string | undefined {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) return undefined
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, NONCE_BYTES))
      .setAAD(Buffer.from(name, 'utf8'))
      .setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
    try {
      return decipher.update(sealed.subarray(NONCE_BYTES, sealed.length - TAG_BYTES), undefined, 'utf8') + decipher.final('utf8')
    } catch {
      return undefined
    }
  }
}

/** The seal of the data folder `dataPath`, whose key is kept in `access-key-seal` (mode 0600) and made on the first start.
 *  @throws DATA_FORMAT for a damaged file; STORAGE_FAILED, NO_SPACE */
export async function openKeySeal(dataPath: string, ports: { readonly files: Files; readonly random: Random }): Promise<KeySeal> {
  const path = keySealPath(dataPath)
  const { files, random } = ports
  try {
    const kept = await files.read(path)
    if (kept === undefined) {
      const key = random.bytes(KEY_BYTES)
      await files.publish(path, [key], { mode: 0o600 })
      return new KeySeal(key, random)
    }
    if (kept.length !== KEY_BYTES)
      throw new ShoalError('DATA_FORMAT', `"${path}" is damaged: it has ${kept.length} bytes instead of ${KEY_BYTES}. Restore it`)
    return new KeySeal(kept, random)
  } catch (cause) {
    throw storageError(cause, `keep the key of the access keys in ${path}`)
  }
}

export function keySealPath(dataPath: string): string {
  return `${dataPath}/access-key-seal`
}
