import { BasicAuthenticator } from '#access/basic-authenticator.ts'
import type { KeySeal } from '#access/key-seal.ts'
import { findIn } from '#access/keyring.ts'
import { KvKeyring } from '#access/kv-keyring.ts'
import { ROOT } from '#access/principal.ts'
import type { FindKey } from '#access/principal.ts'
import type { RootCredentials } from '#access/root-credentials.ts'
import type { Log } from '#observe/log.ts'
import type { Metrics } from '#observe/metrics.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import { SharedStamp } from '#platform/shared-stamp.ts'
import type { ClusterMetadata } from './cluster-metadata.ts'
import { followAccess } from './followed-access.ts'
import type { FollowedAccess } from './followed-access.ts'
import type { Storage } from './open-storage.ts'

/** Who may ask, and how they are known. */
export interface Access {
  readonly keyring: KvKeyring
  readonly authenticator: BasicAuthenticator
  readonly findKey: FindKey
  /** Of the keys. */
  readonly stamp: SharedStamp
  /** The same as the cluster has it, whoever leads that. */
  readonly followed: FollowedAccess | undefined
}

export async function openAccess(options: {
  readonly storage: Storage
  readonly metadata: ClusterMetadata | undefined
  readonly seal: KeySeal
  readonly credentials: RootCredentials
  readonly ports: { readonly clock: Clock; readonly random: Random; readonly log: Log; readonly metrics: Metrics }
}): Promise<Access> {
  const { storage, metadata, seal, credentials, ports } = options
  const stamp = new SharedStamp()
  const held = { ...ports, kv: storage.kv, seal, stamp, changed: () => authenticator.forget() }
  // A cluster's can't be read before it has a leader, and others change them as long as this node doesn't lead.
  const keyring: KvKeyring = metadata === undefined ? await KvKeyring.open(held) : new KvKeyring(held)
  metadata?.leadership.prepare(() => keyring.reload())
  const findKey = findIn({ ...credentials, principal: ROOT }, keyring)
  const authenticator = new BasicAuthenticator({ ...ports, find: findKey })
  const { store } = metadata ?? {}
  const followed =
    store === undefined ? undefined : followAccess({ store, seal, root: credentials, beside: authenticator, ports })
  return { keyring, authenticator, findKey, stamp, followed }
}
