import type { ObjectInfo } from '#volume/objects.ts'
import type { S3Call } from '../operation.ts'
import { objectFacts } from './access-decision.ts'
import { rulesOf } from './bucket-rules.ts'

/** Whose objects are, for listings: where lists count for nothing all are the bucket owner's, and none is looked into. */
export async function listedOwner(call: S3Call): Promise<(object: ObjectInfo) => string> {
  const { volumes, objectOwnership } = call.services
  const rules = rulesOf(await volumes.openBucket(call.bucket), objectOwnership)
  if (rules.ownership === 'BucketOwnerEnforced') return () => rules.owner
  return ({ properties }) => objectFacts(properties, rules).owner
}
