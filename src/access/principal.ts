/** Who a request comes from, once that is proven. */
export interface Principal {
  /** Recorded with changes and in logs: the access key. */
  readonly name: string
}

/** A key pair that a client proves its knowledge of. */
export interface Credentials {
  readonly accessKey: string
  readonly secretKey: string
}
