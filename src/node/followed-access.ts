import { BasicAuthenticator } from '#access/basic-authenticator.ts'
import type { KeySeal } from '#access/key-seal.ts'
import { findIn } from '#access/keyring.ts'
import { KEY_ROWS } from '#access/kv-keyring.ts'
import { ROOT } from '#access/principal.ts'
import type { Credentials, FindKey } from '#access/principal.ts'
import { FollowedCopy } from '#kv/followed-copy.ts'
import type { ReplicatedStore } from '#kv/replicated.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { SharedStamp } from '#platform/shared-stamp.ts'
import { FollowedKeys } from './followed-keys.ts'

/** Who may ask a node that doesn't lead, by its own copy of the metadata. */
export interface FollowedAccess {
  readonly keys: FollowedKeys
  readonly authenticator: BasicAuthenticator
  readonly findKey: FindKey
}

export interface FollowedAccessOptions {
  readonly store: Pick<ReplicatedStore, 'stale' | 'onWrites'>
  readonly seal: KeySeal
  /** The root key. */
  readonly root: Credentials
  /** Of the node as it leads: failures count together. */
  readonly beside: BasicAuthenticator
  readonly ports: { readonly clock: Clock; readonly random: Random; readonly log: Log }
}

/** Nothing is read yet: the keys are when they are first needed. */
export function followAccess({ store, seal, root, beside, ports }: FollowedAccessOptions): FollowedAccess {
  const stamp = new SharedStamp()
  store.onWrites(KEY_ROWS, () => void stamp.change(() => Promise.resolve()))
  const changed = (): void => authenticator.forget()
  const keys: FollowedKeys = new FollowedKeys({ ...ports, kv: new FollowedCopy(store.stale), seal, stamp, changed })
  const findKey = findIn({ ...root, principal: ROOT }, keys)
  const authenticator = new BasicAuthenticator({ find: findKey, beside })
  return { keys, authenticator, findKey }
}
