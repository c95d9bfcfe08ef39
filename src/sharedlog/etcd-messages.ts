// What of etcd's messages is used here: https://etcd.io/docs/v3.4/learning/api/, in the JSON form of protocol buffers.

export interface EtcdKeyValue {
  /** Base64, as is `value`. */
  readonly key: string
  readonly value?: string
  /** When the key was made, after it was last absent. */
  readonly create_revision: string
}

interface Header {
  readonly revision: string
}

export interface RangeAnswer {
  readonly header: Header
  readonly kvs?: readonly EtcdKeyValue[]
}

export interface TxnAnswer {
  readonly header: Header
  readonly succeeded?: boolean
  readonly responses?: readonly { readonly response_range?: Pick<RangeAnswer, 'kvs'> }[]
}

export interface WatchAnswer {
  readonly events?: readonly { readonly type?: 'DELETE'; readonly kv: EtcdKeyValue }[]
  readonly canceled?: boolean
}

/** Text or bytes as the JSON form has them. */
export function encodeBytes(text: string): string {
  return Buffer.from(text).toString('base64')
}
