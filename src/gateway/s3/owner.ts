import { createHash } from 'node:crypto'
import { DEFAULT_TENANT } from '#foundation/ids.ts'

const KNOWN_MAX = 1_000
const known = new Map<string, string>()

/** The canonical user id of a principal: 64 hexadecimal characters, as S3's are, and always the same for a name. */
export function ownerId(principal: string): string {
  let id = known.get(principal)
  if (id === undefined) {
    id = createHash('sha256').update(`shoal principal ${principal}`).digest('hex')
    if (known.size >= KNOWN_MAX) known.clear()
    known.set(principal, id)
  }
  return id
}

/** What ARNs of Shoal's principals and buckets have where AWS has the account: twelve digits, those of the tenant. */
export const ACCOUNT: string = String(DEFAULT_TENANT).padStart(12, '0')
