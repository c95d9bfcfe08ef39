import type { FindKey, PrincipalKey } from './principal.ts'

/** What is known of an access key without its secret. */
export interface AccessKeyInfo {
  readonly accessKey: string
  /** Whose it is; a principal has any number of keys, and lives as long as one of them. */
  readonly principal: string
  readonly description: string
  /** A disabled key proves nothing until it is enabled again. */
  readonly enabled: boolean
  readonly createdNs: bigint
  /** When its secret was last changed. */
  readonly rotatedNs: bigint
}

export interface AccessKeyWithSecret extends AccessKeyInfo {
  readonly secretKey: string
}

export interface KeyToMake {
  readonly principal: string
  readonly description?: string
  /** Made at random unless given. */
  readonly accessKey?: string
  readonly secretKey?: string
}

/** The access keys of a cluster, beside the root key, which isn't among them. Every change is durable when its promise
 *  resolves, and counts from then on. @throws NOT_FOUND for a key that isn't there */
export interface Keyring {
  /** The key if it may be used. Answers at once: each request asks. */
  readonly find: FindKey
  /** By access key. */
  list(): readonly AccessKeyInfo[]
  get(accessKey: string): AccessKeyInfo | undefined
  /** @throws INVALID_ARGUMENT, ALREADY_EXISTS, QUOTA_EXCEEDED for more than the keyring holds */
  create(key: KeyToMake): Promise<AccessKeyWithSecret>
  update(
    accessKey: string,
    changes: { readonly enabled?: boolean | undefined; readonly description?: string | undefined },
  ): Promise<AccessKeyInfo>
  /** Gives the key another secret, made at random unless given; the one before proves nothing from then on. */
  rotate(accessKey: string, secretKey?: string): Promise<AccessKeyWithSecret>
  remove(accessKey: string): Promise<void>
}

/** Finds the root key before those of the keyring. */
export function findIn(root: PrincipalKey, keyring: Pick<Keyring, 'find'>): FindKey {
  return (accessKey) => (accessKey === root.accessKey ? root : keyring.find(accessKey))
}
