// What clients of either door ask for, and what they are told.

export interface Request {
  /** REST unless given. */
  readonly door?: 'rest' | 's3'
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  /** Below `/api/v1/`, or below `/` over S3. */
  readonly target: string
  readonly content?: Buffer
  /** Names and values in turn. */
  readonly headers?: readonly string[]
  /** By which it is known when it is sent again: as long as nobody knows whether it was done, it is. Of REST alone. */
  readonly key?: string
}

/** What a client was told. `unknown`: nobody can say whether it was done. `refused`: it certainly wasn't. */
export type Answer =
  | { readonly kind: 'done'; readonly content: Buffer; readonly etag: string | undefined }
  | { readonly kind: 'failed'; readonly code: string; readonly message: string }
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' }
