import { GRANT_HEADERS } from './access/acl-headers.ts'
import { isShoalError } from '#foundation/errors.ts'
import { isAllowed, isDenied, looksAtObject, objectFacts } from './access/access-decision.ts'
import type { AccessQuestion, ObjectFacts } from './access/access-decision.ts'
import { rulesOf } from './access/bucket-rules.ts'
import type { BucketRules } from './access/bucket-rules.ts'
import { conditionValues } from './access/condition-values.ts'
import type { RequestFacts, Wish } from './access/condition-values.ts'
import type { OwnerHeader, S3Access, S3Operation, S3Services } from './operation.ts'
import { ownerId } from './owner.ts'
import { actionOf } from './access/s3-actions.ts'
import { S3Error, s3CodeOf } from './s3-error.ts'

const EXPECTED_OWNER = 'x-amz-expected-bucket-owner'
const ABSENCE: ReadonlySet<string> = new Set(['NoSuchKey', 'NoSuchVersion'])

type Services = Pick<S3Services, 'volumes' | 'objectOwnership'>

/** The one place that says who may do what through this door. */
export class Access implements S3Access {
  readonly #services: Services
  readonly #request: RequestFacts

  constructor(services: Services, request: RequestFacts) {
    this.#services = services
    this.#request = request
  }

  /** The same request, as if it had come from somebody else, and with other headers. */
  as(other: Pick<RequestFacts, 'principal' | 'header'>): Access {
    return new Access(this.#services, { ...this.#request, ...other })
  }

  /** @throws AccessDenied; VOLUME_NOT_FOUND */
  async require(wish: Wish): Promise<void> {
    if (!(await this.allows(wish))) throw accessDenied(this.#request, wish)
  }

  async allows(wish: Wish): Promise<boolean> {
    if (this.isUnlimited) return true
    const question = await this.#question(wish)
    if (isAllowed(question)) return true
    // Whoever may list can know that there is nothing: that isn't refused, it isn't found.
    return looksAtObject(question) && question.object === undefined && this.#mayList(wish)
  }

  /** What comes along with something that is allowed, such as an object's tags: refused only where a policy denies it.
   *  @throws AccessDenied */
  async refuseDenied(wish: Wish): Promise<void> {
    if (this.isUnlimited) return
    if (isDenied(await this.#question(wish))) throw accessDenied(this.#request, wish)
  }

  /** A client can say in a header whose bucket it means, by the owner's canonical id, so that a bucket of that name that has
   *  come to somebody else gets nothing of it. @throws AccessDenied if it is another's; VOLUME_NOT_FOUND */
  async checkOwner(bucket: string, header: OwnerHeader): Promise<void> {
    const expected = this.#request.header(header)
    if (expected === undefined) return
    const { info } = await this.#services.volumes.openBucket(bucket)
    if (ownerId(info.owner) === expected) return
    throw new S3Error(
      'AccessDenied',
      `Access Denied: the bucket "${bucket}" is not owned by "${expected.slice(0, 80)}", as ${header} says`,
    )
  }

  /** The error to tell: that an object isn't there is only for those who may list the bucket. */
  async hideAbsence(error: unknown, { method, where }: S3Operation, wish: Pick<Wish, 'bucket' | 'key'>): Promise<unknown> {
    const isReading = where === 'object' && (method === 'GET' || method === 'HEAD')
    if (this.isUnlimited || !isReading || !isShoalError(error) || !ABSENCE.has(s3CodeOf(error))) return error
    return (await this.#mayList(wish)) ? error : accessDenied(this.#request, { ...wish, action: 's3:ListBucket' })
  }

  /** Whether everything is allowed. */
  get isUnlimited(): boolean {
    return this.#request.principal.kind === 'root'
  }

  get request(): RequestFacts {
    return this.#request
  }

  async #mayList({ bucket, key }: Pick<Wish, 'bucket' | 'key'>): Promise<boolean> {
    return isAllowed(await this.#question({ bucket, key: '', action: 's3:ListBucket', values: { 's3:prefix': key } }))
  }

  async #question(wish: Wish): Promise<AccessQuestion> {
    const { bucket, key, action } = wish
    const rules = rulesOf(await this.#services.volumes.openBucket(bucket), this.#services.objectOwnership)
    const asked = { who: this.#request.principal, rules, action, bucket, key }
    const object = looksAtObject(asked) ? await this.#find(wish, rules) : undefined
    return { ...asked, object, valuesOf: conditionValues(this.#request, { ...wish, existingTags: object?.tags }) }
  }

  async #find({ bucket, key, versionId }: Wish, rules: BucketRules): Promise<ObjectFacts | undefined> {
    const objects = await this.#services.volumes.openObjects(bucket)
    const found = await objects.find(key, versionId)
    return found === undefined || 'marker' in found ? undefined : objectFacts(found.object.properties, rules)
  }
}

function accessDenied({ principal }: RequestFacts, { action }: Pick<Wish, 'action'>): S3Error {
  const who = principal.kind === 'anonymous' ? 'a request without a signature' : `"${principal.name}"`
  return new S3Error('AccessDenied', `Access Denied: ${who} may not do ${action} here`)
}

interface Beginning {
  readonly operation: S3Operation
  readonly bucket: string
  readonly key: string
}

/** Judges whether somebody may begin an operation; there is nothing to wait for where no bucket has a say in it. @throws AccessDenied; VOLUME_NOT_FOUND */
export function admit(access: Access, beginning: Beginning): Promise<void> | undefined {
  const { where, method } = beginning.operation
  const asksNobody = access.isUnlimited && (where !== 'object' || method === 'GET')
  return asksNobody && access.request.header(EXPECTED_OWNER) === undefined ? undefined : judge(access, beginning)
}

async function judge(access: Access, { operation, bucket, key }: Beginning): Promise<void> {
  const { request } = access
  const versionId = request.query('versionId')
  const wish = { bucket, key, versionId }
  const action = actionOf(operation.name, versionId !== undefined)
  const namesOwner = request.header(EXPECTED_OWNER) !== undefined
  if (namesOwner && bucket !== '' && operation.name !== 'CreateBucket') await access.checkOwner(bucket, EXPECTED_OWNER)
  if (operation.admits === 'anyone') return
  if (operation.admits === 'signed') {
    if (request.principal.kind === 'anonymous') throw accessDenied(request, { action })
    return
  }
  if (!access.isUnlimited) await access.require({ ...wish, action })
  if (operation.where !== 'object' || operation.method === 'GET') return
  await judgeHeaders(access, { bucket, key })
}

const ACL_HEADERS = ['x-amz-acl', ...GRANT_HEADERS.map(([header]) => header)]
const LOCK_HEADERS = [
  ['x-amz-object-lock-mode', 's3:PutObjectRetention'],
  ['x-amz-object-lock-retain-until-date', 's3:PutObjectRetention'],
  ['x-amz-object-lock-legal-hold', 's3:PutObjectLegalHold'],
] as const

/** What an object's writer asks for beside its contents. Locks need permissions of their own. */
async function judgeHeaders(access: Access, wish: Pick<Wish, 'bucket' | 'key'>): Promise<void> {
  const { request } = access
  for (const [header, action] of LOCK_HEADERS) if (request.header(header) !== undefined) await access.require({ ...wish, action })
  if (request.header('x-amz-tagging') !== undefined) await access.refuseDenied({ ...wish, action: 's3:PutObjectTagging' })
  if (ACL_HEADERS.some((header) => request.header(header) !== undefined))
    await access.refuseDenied({ ...wish, action: 's3:PutObjectAcl' })
}
