/** Who a request comes from, once that is proven. */
export interface Principal {
  /** Recorded with changes and in logs. */
  readonly name: string
  /** `root` may do everything; `anonymous` has proven nothing. */
  readonly kind: 'root' | 'user' | 'anonymous'
}

export const ROOT: Principal = { name: 'root', kind: 'root' }
export const ANONYMOUS: Principal = { name: 'anonymous', kind: 'anonymous' }

/** A key pair that a client proves its knowledge of. */
export interface Credentials {
  readonly accessKey: string
  readonly secretKey: string
}

/** A key pair and whose it is. */
export interface PrincipalKey extends Credentials {
  readonly principal: Principal
}

/** The key with that name if it may be used: neither unknown nor disabled. */
export type FindKey = (accessKey: string) => PrincipalKey | undefined
