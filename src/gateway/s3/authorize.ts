import type { Principal } from '#access/principal.ts'
import type { S3Operation } from './operation.ts'
import { S3Error } from './s3-error.ts'

/** What somebody wants to do. */
interface Wish {
  readonly principal: Principal
  readonly operation: S3Operation
  readonly bucket: string
  readonly key: string
}

/** The one place that says who may do what through this door: whoever has a key may do everything, and nobody else
 *  anything. @throws AccessDenied */
export function authorize({ principal }: Wish): void {
  if (principal.kind === 'anonymous') throw new S3Error('AccessDenied', 'Access Denied: the request is not signed')
}
