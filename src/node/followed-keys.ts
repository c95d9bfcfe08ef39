import type { KeySeal } from '#access/key-seal.ts'
import type { AccessKeyInfo } from '#access/keyring.ts'
import { KvKeyring } from '#access/kv-keyring.ts'
import type { FindKey } from '#access/principal.ts'
import type { KeyValueStore } from '#kv/store.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { SharedStamp } from '#platform/shared-stamp.ts'

export interface FollowedKeysOptions {
  readonly kv: KeyValueStore
  readonly seal: KeySeal
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** Of the keyring that changes the keys. */
  readonly stamp: SharedStamp
  /** Called when they have been read anew. */
  readonly changed?: () => void
}

/** The access keys, as a thread or a node has them that doesn't change them: read anew after each change. */
export class FollowedKeys {
  readonly #options: FollowedKeysOptions
  #keyring: KvKeyring | undefined
  #readAt: number | undefined
  #reading: Promise<void> | undefined

  constructor(options: FollowedKeysOptions) {
    this.#options = options
  }

  /** Whether these are the keys that there are. If not, they will be in a moment. */
  get isCurrent(): boolean {
    const stamp = this.#options.stamp.current
    if (stamp !== undefined && stamp === this.#readAt) return true
    void this.read()
    return false
  }

  readonly find: FindKey = (accessKey) => this.#keyring?.find(accessKey)

  list(): readonly AccessKeyInfo[] {
    return this.#keyring?.list() ?? []
  }

  /** Reads them anew. */
  read(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    return this.#reading
  }

  async #read(): Promise<void> {
    const stamp = this.#options.stamp.current
    if (stamp === undefined) return
    try {
      this.#keyring = await KvKeyring.open({ ...this.#options, changed: () => {} })
      this.#options.changed?.()
      this.#readAt = stamp
    } catch (error) {
      this.#options.log.error('access keys could not be read: others look after all requests', { error })
    }
  }
}
