// Lock tokens as clients see them: RFC 4918's own URI scheme around a UUID, which the oldest clients insist on.

const SCHEME = 'opaquelocktoken:'
const UUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/i

/** The URI of a lock's token, 32 hexadecimal characters. */
export function formatLockToken(token: string): string {
  const [a, b, c, d, e] = [0, 8, 12, 16, 20].map((at, index, all) => token.slice(at, all[index + 1]))
  return `${SCHEME}${a}-${b}-${c}-${d}-${e}`
}

/** The token of a URI. One of another kind names no lock here, and comes back as it is. */
export function parseLockToken(uri: string): string {
  if (!uri.toLowerCase().startsWith(SCHEME)) return uri
  const match = UUID.exec(uri.slice(SCHEME.length))
  return match === null ? uri : match.slice(1).join('').toLowerCase()
}
