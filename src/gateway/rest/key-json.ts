import type { AccessKeyInfo, AccessKeyWithSecret } from '#access/keyring.ts'
import { formatTimestamp } from '#foundation/timestamp.ts'

/** An access key as it crosses the wire; its secret only where it was just made. */
export function keyJson(key: AccessKeyInfo | AccessKeyWithSecret): Record<string, unknown> {
  return {
    accessKey: key.accessKey,
    ...('secretKey' in key ? { secretKey: key.secretKey } : {}),
    principal: key.principal,
    description: key.description,
    enabled: key.enabled,
    created: formatTimestamp(key.createdNs),
    rotated: formatTimestamp(key.rotatedNs),
  }
}
