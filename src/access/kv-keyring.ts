import { ShoalError } from '#foundation/errors.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { SharedStamp } from '#platform/shared-stamp.ts'
import type { KeySeal } from './key-seal.ts'
import type { AccessKeyInfo, AccessKeyWithSecret, Keyring, KeyToMake } from './keyring.ts'
import type { PrincipalKey } from './principal.ts'
import { ROOT } from './principal.ts'
import { randomKey, randomSecret } from './random-key.ts'

/** `K` among the rows that belong to no volume: docs/formats/metadata.md. */
export const KEY_ROWS = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0x4b])
const END = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0x4c])
/** All are kept in memory, at about 1 KiB each. */
const MAX_KEYS = 10_000
const MAX_DESCRIPTION_CHARACTERS = 200

interface Held extends AccessKeyInfo {
  readonly key: PrincipalKey
}

interface StoredKey {
  readonly principal: string
  readonly description: string
  readonly enabled: boolean
  readonly createdNs: string
  readonly rotatedNs: string
  /** Sealed, in base64. */
  readonly secret: string
}

/** A keyring in the key-value store, all of it held in memory too. */
export class KvKeyring implements Keyring {
  readonly #kv: KeyValueStore
  readonly #seal: KeySeal
  readonly #clock: Clock
  readonly #random: Random
  readonly #changed: () => void
  readonly #stamp: SharedStamp
  #keys: ReadonlyMap<string, Held> = new Map()
  #writes: Promise<unknown> = Promise.resolve()

  /** One without keys, until `reload`: for a store that can't be read yet. */
  constructor(options: KvKeyringOptions) {
    this.#kv = options.kv
    this.#seal = options.seal
    this.#clock = options.clock
    this.#random = options.random
    this.#changed = options.changed
    this.#stamp = options.stamp ?? new SharedStamp()
  }

  /** @throws DATA_FORMAT if a row can't be read or was sealed with another key */
  static async open(options: KvKeyringOptions): Promise<KvKeyring> {
    const keyring = new KvKeyring(options)
    await keyring.#read()
    return keyring
  }

  /** Reads all keys anew, since others may have changed them. @throws DATA_FORMAT as `open`; the keys are what they were then */
  reload(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#read()
      this.#changed()
    })
  }

  async #read(): Promise<void> {
    const keys = new Map<string, Held>()
    for await (const { key, value } of this.#kv.range({ start: KEY_ROWS, end: END })) {
      const accessKey = key.toString('utf8', KEY_ROWS.length)
      keys.set(accessKey, decode(accessKey, value, this.#seal))
    }
    this.#keys = keys
  }

  readonly find = (accessKey: string): PrincipalKey | undefined => {
    const held = this.#keys.get(accessKey)
    return held?.enabled === true ? held.key : undefined
  }

  list(): readonly AccessKeyInfo[] {
    return [...this.#keys.values()].map(infoOf).toSorted((a, b) => (a.accessKey < b.accessKey ? -1 : 1))
  }

  get(accessKey: string): AccessKeyInfo | undefined {
    const held = this.#keys.get(accessKey)
    return held === undefined ? undefined : infoOf(held)
  }

  create(asked: KeyToMake): Promise<AccessKeyWithSecret> {
    return this.#inTurn(async () => {
      const made = randomKey(this.#random)
      const { principal, description = '', accessKey = made.accessKey, secretKey = made.secretKey } = asked
      checkName('principal', principal)
      checkName('accessKey', accessKey)
      checkSecret(secretKey)
      checkDescription(description)
      if (this.#keys.has(accessKey)) throw new ShoalError('ALREADY_EXISTS', `There is an access key "${accessKey}" already`)
      if (this.#keys.size >= MAX_KEYS)
        throw new ShoalError('QUOTA_EXCEEDED', `There are ${MAX_KEYS} access keys, which is as many as there can be: remove some`)
      const nowNs = this.#clock.nowNs()
      const info = { accessKey, principal, description, enabled: true, createdNs: nowNs, rotatedNs: nowNs }
      await this.#put(info, secretKey)
      return { ...info, secretKey }
    })
  }

  update(
    accessKey: string,
    changes: { readonly enabled?: boolean | undefined; readonly description?: string | undefined },
  ): Promise<AccessKeyInfo> {
    return this.#inTurn(async () => {
      const held = this.#require(accessKey)
      const { enabled = held.enabled, description = held.description } = changes
      checkDescription(description)
      const info = { ...infoOf(held), enabled, description }
      await this.#put(info, held.key.secretKey)
      return info
    })
  }

  rotate(accessKey: string, secretKey = randomSecret(this.#random)): Promise<AccessKeyWithSecret> {
    return this.#inTurn(async () => {
      checkSecret(secretKey)
      const info = { ...infoOf(this.#require(accessKey)), rotatedNs: this.#clock.nowNs() }
      await this.#put(info, secretKey)
      return { ...info, secretKey }
    })
  }

  remove(accessKey: string): Promise<void> {
    return this.#inTurn(async () => {
      this.#require(accessKey)
      await this.#kv.transact((tx) => tx.delete(rowKey(accessKey)), { frees: true })
      this.#keys = new Map([...this.#keys].filter(([name]) => name !== accessKey))
      this.#changed()
    })
  }

  #require(accessKey: string): Held {
    const held = this.#keys.get(accessKey)
    if (held === undefined)
      throw new ShoalError(
        'NOT_FOUND',
        `There is no access key "${accessKey.slice(0, 128)}": "shoal key list" shows those there are`,
      )
    return held
  }

  async #put(info: AccessKeyInfo, secretKey: string): Promise<void> {
    const { accessKey, createdNs, rotatedNs, principal, description, enabled } = info
    const stored: StoredKey = {
      principal,
      description,
      enabled,
      createdNs: String(createdNs),
      rotatedNs: String(rotatedNs),
      secret: this.#seal.seal(accessKey, secretKey).toString('base64'),
    }
    await this.#kv.transact((tx) => tx.put(rowKey(accessKey), Buffer.from(JSON.stringify(stored))))
    this.#keys = new Map([...this.#keys, [accessKey, heldOf(info, secretKey)]])
    this.#changed()
  }

  /** One change after another: what is in memory is what the last one left on the disk. */
  #inTurn<T>(change: () => Promise<T>): Promise<T> {
    const result = this.#writes.then(() => this.#stamp.change(change))
    this.#writes = result.catch(() => undefined)
    return result
  }
}

export interface KvKeyringOptions {
  readonly kv: KeyValueStore
  readonly seal: KeySeal
  readonly clock: Clock
  readonly random: Random
  /** Called when a key was changed: whoever remembers what a key proved has to forget it. */
  readonly changed: () => void
  /** Of the changes of keys; shared with threads that hold them in memory too. */
  readonly stamp?: SharedStamp
}

function rowKey(accessKey: string): Buffer {
  return Buffer.concat([KEY_ROWS, Buffer.from(accessKey, 'utf8')])
}

function infoOf({ accessKey, principal, description, enabled, createdNs, rotatedNs }: Held): AccessKeyInfo {
  return { accessKey, principal, description, enabled, createdNs, rotatedNs }
}

function heldOf(info: AccessKeyInfo, secretKey: string): Held {
  const { accessKey, principal: name } = info
  const principal = name === ROOT.name ? ROOT : ({ name, kind: 'user' } as const)
  return { ...info, key: { accessKey, secretKey, principal } }
}

function decode(accessKey: string, value: Buffer, seal: KeySeal): Held {
  try {
    const stored = JSON.parse(value.toString('utf8')) as StoredKey
    const secretKey = seal.open(accessKey, Buffer.from(stored.secret, 'base64'))
    if (secretKey !== undefined) {
      const { principal, description, enabled } = stored
      const times = { createdNs: BigInt(stored.createdNs), rotatedNs: BigInt(stored.rotatedNs) }
      return heldOf({ accessKey, principal, description, enabled, ...times }, secretKey)
    }
  } catch (cause) {
    throw new ShoalError('DATA_FORMAT', `The row of the access key "${accessKey}" is damaged`, { cause })
  }
  throw new ShoalError(
    'DATA_FORMAT',
    `The secret of the access key "${accessKey}" can't be opened: "access-key-seal" in the data folder isn't the one that it was sealed with. Restore that file together with the metadata`,
  )
}

function checkName(field: string, name: string): void {
  // The same as for the root key in the configuration; a slash would end it in the credential of a signature.
  if (/^[\w.@-]{3,128}$/.test(name) && name !== 'anonymous') return
  throw invalid(field, `"${name.slice(0, 128)}" is not allowed: 3 to 128 letters, digits, ".", "-", "_" or "@" are`)
}

function checkSecret(secretKey: string): void {
  if (/^[\x21-\x7e]{8,128}$/.test(secretKey)) return
  throw invalid('secretKey', 'a secret has 8 to 128 printable ASCII characters without spaces')
}

function checkDescription(description: string): void {
  if (description.length <= MAX_DESCRIPTION_CHARACTERS) return
  throw invalid('description', `it has ${description.length} characters; ${MAX_DESCRIPTION_CHARACTERS} are allowed`)
}

function invalid(field: string, why: string): ShoalError {
  return new ShoalError('INVALID_ARGUMENT', `The field "${field}" is wrong: ${why}`, { details: { field } })
}
