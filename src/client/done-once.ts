/** Header of a call that is done once, however often it is sent (docs/rest.md). */
export const KEY_HEADER = 'idempotency-key'
/** Spares the server the question whether the call has come before. */
export const FIRST_TRY_HEADER = 'x-shoal-first-try'

/** Below `/volumes/{volume}`, by method: what the server remembers the results of. Parts of uploads aren't in it: sent twice, they are what they are once. */
const REMEMBERED: Readonly<Record<string, RegExp>> = {
  PUT: /^(\/files\/.*)?$/,
  PATCH: /^(\/files\/.*)?$/,
  DELETE: /^(\/files\/.*|\/uploads\/[^/]+)?$/,
  POST: /^(\/entries\/.*|\/uploads|\/uploads\/[^/]+\/commit)$/,
}

/** Whether the server does a call once that it knows by its key. `path` is below `/api/v1`, with its query. */
export function isDoneOnce({ method, path }: { readonly method: string; readonly path: string }): boolean {
  const below = /^\/volumes\/[^/?]+([^?]*)/.exec(path)?.[1]
  return below !== undefined && REMEMBERED[method]?.test(below) === true
}
