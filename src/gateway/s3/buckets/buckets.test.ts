import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OPERATIONS } from '../operations.ts'
import { startObjectServer } from '../objects/object-server.suite.ts'
import type { Answer, ObjectServer, RequestOptions } from '../objects/object-server.suite.ts'
import { ownerId } from '../owner.ts'
import { S3_ACTIONS } from '../access/s3-actions.ts'
import { actionOf } from '../access/s3-actions.ts'

const OTHER = { as: 'OTHERKEY' }
const OTHER_ID = ownerId('other')

/** A bucket of somebody who isn't root, with access control lists in force. */
async function open(): Promise<
  ObjectServer & { other(method: string, target: string, options?: RequestOptions): Promise<Answer> }
> {
  const server = await startObjectServer()
  const other = (method: string, target: string, options: RequestOptions = {}) =>
    server.request(method, target, { ...options, ...OTHER })
  assert.equal((await other('PUT', '/bucket', { headers: { 'x-amz-object-ownership': 'ObjectWriter' } })).status, 200)
  return Object.assign(server, { other })
}

/** Without a signature. */
function anonymous(
  server: ObjectServer,
  method: string,
  target: string,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`http://127.0.0.1:${server.port}${target}`, { method, headers })
}

const codeOf = (text: string): string => /<Code>(\w+)<\/Code>/.exec(text)?.[1] ?? ''

test('every operation has an action that policies can name', () => {
  for (const { name, where, admits } of OPERATIONS) {
    for (const hasVersion of [false, true]) {
      const action = actionOf(name, hasVersion)
      if (admits === undefined) assert.ok(S3_ACTIONS.includes(action), `${name} is ${action}`)
      if (where === 'bucket') assert.equal(actionOf(name, true), actionOf(name, false), name)
    }
  }
})

test("a bucket is its maker's, and nobody else's but root's", async () => {
  await using server = await open()
  assert.equal((await server.request('GET', '/bucket')).status, 200, 'root')
  assert.equal((await server.other('GET', '/bucket')).status, 200)
  assert.equal((await server.request('PUT', '/rooms')).status, 200)
  for (const [method, target] of [
    ['GET', '/rooms'],
    ['PUT', '/rooms/k'],
    ['GET', '/rooms/k'],
    ['DELETE', '/rooms/k'],
    ['DELETE', '/rooms'],
    ['GET', '/rooms?acl'],
    ['GET', '/rooms?policy'],
    ['PUT', '/rooms?tagging'],
    ['GET', '/rooms?versions'],
    ['POST', '/rooms/k?uploads'],
  ] as const) {
    const answer = await server.other(method, target)
    assert.deepEqual([answer.status, codeOf(answer.text)], [403, 'AccessDenied'], `${method} ${target}`)
  }
  const listed = (await server.other('GET', '/')).text
  assert.ok(listed.includes('<Name>bucket</Name>') && !listed.includes('<Name>rooms</Name>'), "and isn't listed for others")
  assert.equal((await anonymous(server, 'GET', '/')).status, 403)
  assert.equal((await anonymous(server, 'PUT', '/mine')).status, 403)
})

test('each setting comes back as it was put, and goes', async () => {
  await using server = await open()
  const documents: readonly (readonly [query: string, document: string, missing: string | undefined, expected?: RegExp])[] = [
    [
      'cors',
      '<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>',
      'NoSuchCORSConfiguration',
    ],
    ['tagging', '<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag></TagSet></Tagging>', 'NoSuchTagSet'],
    [
      'ownershipControls',
      '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>',
      'OwnershipControlsNotFoundError',
    ],
    [
      'publicAccessBlock',
      '<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls><IgnorePublicAcls>false</IgnorePublicAcls><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>',
      'NoSuchPublicAccessBlockConfiguration',
    ],
    [
      'lifecycle',
      '<LifecycleConfiguration><Rule><ID>x</ID><Filter><And><Prefix>a</Prefix><Tag><Key>k</Key><Value>v</Value></Tag><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter><Status>Enabled</Status><Expiration><Days>3</Days></Expiration><NoncurrentVersionExpiration><NoncurrentDays>2</NoncurrentDays><NewerNoncurrentVersions>4</NewerNoncurrentVersions></NoncurrentVersionExpiration></Rule></LifecycleConfiguration>',
      'NoSuchLifecycleConfiguration',
    ],
  ]
  for (const [query, document, missing] of documents) {
    const target = `/bucket?${query}`
    const body = document
    const put = await server.other('PUT', target, { body })
    assert.ok(put.status === 200 || put.status === 204, `${query}: ${put.status} ${put.text}`)
    const got = await server.other('GET', target)
    assert.equal(got.status, 200, query)
    const inside = document.replace(/^<\w+>/, '').replace(/<\/\w+>$/, '')
    assert.ok(got.text.includes(inside), `${query}: ${got.text}`)
    assert.equal((await server.other('DELETE', target)).status, 204, query)
    assert.equal((await server.other('DELETE', target)).status, 204, `${query}, once more`)
    assert.equal(codeOf((await server.other('GET', target)).text), missing)
  }
})

test('a document that is wrong is refused, and changes nothing', async () => {
  await using server = await open()
  const rule = (inside: string) => `<LifecycleConfiguration><Rule>${inside}</Rule></LifecycleConfiguration>`
  const cors = (inside: string) => `<CORSConfiguration><CORSRule>${inside}</CORSRule></CORSConfiguration>`
  const days = '<Expiration><Days>1</Days></Expiration>'
  const on = '<Status>Enabled</Status>'
  const cases: readonly (readonly [query: string, body: string, code: string])[] = [
    ['cors', '<CORSConfiguration/>', 'MalformedXML'],
    ['cors', cors('<AllowedOrigin>*</AllowedOrigin>'), 'MalformedXML'],
    ['cors', cors('<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>'), 'InvalidRequest'],
    ['cors', cors('<AllowedOrigin>*a*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>'), 'InvalidRequest'],
    ['tagging', '<Tagging><TagSet><Tag><Key>a</Key></Tag></TagSet></Tagging>', 'MalformedXML'],
    ['tagging', `<Tagging><TagSet>${'<Tag><Key>a</Key><Value/></Tag>'.repeat(2)}</TagSet></Tagging>`, 'InvalidTag'],
    ['ownershipControls', '<OwnershipControls/>', 'MalformedXML'],
    ['publicAccessBlock', '<PublicAccessBlockConfiguration><Other>true</Other></PublicAccessBlockConfiguration>', 'MalformedXML'],
    ['acl', '<AccessControlPolicy/>', 'MalformedACLError'],
    ['policy', '{"Statement":[]}', 'MalformedPolicy'],
    ['policy', '{', 'MalformedPolicy'],
    ['lifecycle', rule(on), 'MalformedXML'],
    ['lifecycle', rule(days), 'MalformedXML'],
    ['lifecycle', rule(`${on}<Expiration><Days>0</Days></Expiration>`), 'InvalidArgument'],
    ['lifecycle', rule(`${on}<Expiration><Date>2024-01-01T01:00:00Z</Date></Expiration>`), 'InvalidArgument'],
    ['lifecycle', rule(`${on}<Expiration><Days>1</Days><Date>2024-01-01T00:00:00Z</Date></Expiration>`), 'MalformedXML'],
    ['lifecycle', rule(`${on}${days}<Other/>`), 'MalformedXML'],
    ['lifecycle', rule(`${on}<Transition><Days>1</Days><StorageClass>GLACIER</StorageClass></Transition>`), 'NotImplemented'],
    ['lifecycle', rule(`<ID>${'a'.repeat(256)}</ID>${on}${days}`), 'InvalidArgument'],
    [
      'object-lock',
      '<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>',
      'InvalidBucketState',
    ],
    ['website', '<WebsiteConfiguration/>', 'NotImplemented'],
    ['replication', '<ReplicationConfiguration/>', 'NotImplemented'],
    ['logging', '<BucketLoggingStatus><LoggingEnabled/></BucketLoggingStatus>', 'NotImplemented'],
    ['accelerate', '<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>', 'NotImplemented'],
    ['requestPayment', '<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>', 'NotImplemented'],
  ]
  const before = (await server.volumes.openBucket('bucket')).settings
  for (const [query, body, code] of cases)
    assert.equal(codeOf((await server.other('PUT', `/bucket?${query}`, { body })).text), code, `${query} ${body.slice(0, 120)}`)
  assert.deepEqual((await server.volumes.openBucket('bucket')).settings, before)
})

test('a policy lets in whom it names, for what it names', async () => {
  await using server = await open()
  await server.request('PUT', '/rooms')
  await server.request('PUT', '/rooms/open/a', { body: 'x' })
  await server.request('PUT', '/rooms/closed/a', { body: 'x' })
  const Statement = [
    { Effect: 'Allow', Principal: { AWS: 'arn:aws:iam:::user/other' }, Action: 's3:GetObject', Resource: 'arn:aws:s3:::rooms/*' },
    { Effect: 'Deny', Principal: '*', Action: 's3:*', Resource: 'arn:aws:s3:::rooms/closed/*' },
    { Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::rooms/in/*' },
  ]
  const body = JSON.stringify({ Version: '2012-10-17', Statement })
  assert.equal((await server.request('PUT', '/rooms?policy', { body })).status, 204)
  assert.equal((await server.request('GET', '/rooms?policy')).text, body)
  assert.equal((await server.other('GET', '/rooms/open/a')).text, 'x')
  assert.equal((await server.other('GET', '/rooms/closed/a')).status, 403)
  assert.equal((await server.other('GET', '/rooms/open/none')).status, 403, 'who may not list does not learn what is not there')
  assert.equal((await server.request('GET', '/rooms/open/none')).status, 404)
  assert.equal((await anonymous(server, 'GET', '/rooms/open/a')).status, 403)
  assert.equal((await anonymous(server, 'PUT', '/rooms/in/a')).status, 200)
  assert.equal((await server.other('PUT', '/rooms/open/a', { body: 'y' })).status, 403)
  const copy = { headers: { 'x-amz-copy-source': '/rooms/closed/a' } }
  assert.equal((await server.other('PUT', '/bucket/copy', copy)).status, 403, 'a copy needs its source')
  assert.equal((await server.other('PUT', '/bucket/copy', { headers: { 'x-amz-copy-source': '/rooms/open/a' } })).status, 200)
})

test('of several keys to delete, those that are not allowed stay', async () => {
  await using server = await open()
  await server.request('PUT', '/rooms')
  for (const key of ['a', 'b']) await server.request('PUT', `/rooms/${key}`, { body: 'x' })
  const policy = { Statement: { Effect: 'Allow', Principal: '*', Action: 's3:DeleteObject', Resource: 'arn:aws:s3:::rooms/a' } }
  await server.request('PUT', '/rooms?policy', { body: JSON.stringify(policy) })
  const body = '<Delete><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>'
  const { status, text } = await server.other('POST', '/rooms?delete', { body })
  assert.equal(status, 200)
  assert.match(text, /<Deleted><Key>a<\/Key><\/Deleted>/)
  assert.match(text, /<Error><Key>b<\/Key><Code>AccessDenied<\/Code>/)
  assert.equal((await server.request('HEAD', '/rooms/b')).status, 200)
})

test('lists grant, to whoever they name, what they name', async () => {
  await using server = await open()
  await server.other('PUT', '/bucket/a', { body: 'x' })
  assert.equal((await anonymous(server, 'GET', '/bucket/a')).status, 403)
  assert.equal((await server.other('PUT', '/bucket/a?acl', { headers: { 'x-amz-acl': 'public-read' } })).status, 200)
  assert.equal(await (await anonymous(server, 'GET', '/bucket/a')).text(), 'x')
  const { text } = await server.other('GET', '/bucket/a?acl')
  assert.match(text, /AllUsers<\/URI><\/Grantee><Permission>READ</)
  assert.ok(text.includes(`<ID>${OTHER_ID}</ID><DisplayName>other</DisplayName>`))
  assert.equal((await server.other('PUT', '/bucket?acl', { body: text })).status, 200, 'a list of one fits the other')
  assert.equal((await anonymous(server, 'GET', '/bucket')).status, 200)
  const nobody = { headers: { 'x-amz-grant-read': 'id=_foo' } }
  assert.equal(codeOf((await server.other('PUT', '/bucket?acl', nobody)).text), 'InvalidArgument')
  const enforced = '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>'
  const refused = await server.other('PUT', '/bucket?ownershipControls', { body: enforced })
  assert.equal(codeOf(refused.text), 'InvalidBucketAclWithObjectOwnership')
  await server.other('PUT', '/bucket?acl', { headers: { 'x-amz-acl': 'private' } })
  assert.equal((await server.other('PUT', '/bucket?ownershipControls', { body: enforced })).status, 200)
  assert.equal((await anonymous(server, 'GET', '/bucket/a')).status, 403, 'lists count for nothing any more')
  assert.equal(
    codeOf((await server.other('PUT', '/bucket/a?acl', { headers: { 'x-amz-acl': 'private' } })).text),
    'AccessControlListNotSupported',
  )
})

test('listings name the owner of each object, where lists are in force', async () => {
  await using server = await open()
  const policy = { Statement: { Effect: 'Allow', Principal: '*', Action: 's3:PutObject', Resource: 'arn:aws:s3:::bucket/*' } }
  await server.other('PUT', '/bucket?policy', { body: JSON.stringify(policy) })
  await server.request('PUT', '/bucket/a', { body: 'x' })
  await server.other('PUT', '/bucket/b', { body: 'x' })
  const [root, other] = [ownerId('root'), OTHER_ID]
  for (const target of ['/bucket', '/bucket?list-type=2&fetch-owner=true', '/bucket?versions']) {
    const owners = [...(await server.other('GET', target)).text.matchAll(/<Owner><ID>(\w+)/g)].map(([, id]) => id)
    assert.deepEqual(owners, [root, other], target)
  }
  const enforced = '<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>'
  await server.other('PUT', '/bucket?ownershipControls', { body: enforced })
  assert.ok(!(await server.other('GET', '/bucket')).text.includes(root), 'then all is owned by the owner of the bucket')
})

test('a locked version stays until its time, whoever asks for its end', async () => {
  await using server = await open()
  const headers = { 'x-amz-bucket-object-lock-enabled': 'true' }
  assert.equal((await server.other('PUT', '/locked', { headers })).status, 200)
  const lock = { 'x-amz-object-lock-mode': 'GOVERNANCE', 'x-amz-object-lock-retain-until-date': '2999-01-01T00:00:00Z' }
  const put = await server.other('PUT', '/locked/a', { body: 'x', headers: lock })
  const target = `/locked/a?versionId=${put.headers.get('x-amz-version-id')}`
  assert.equal((await server.other('DELETE', target)).status, 403)
  assert.equal((await server.request('DELETE', target)).status, 403, 'not even root, unasked')
  const shorter = '<Retention><Mode>GOVERNANCE</Mode><RetainUntilDate>2998-01-01T00:00:00Z</RetainUntilDate></Retention>'
  assert.equal((await server.other('PUT', target.replace('?', '?retention&'), { body: shorter })).status, 403)
  const volume = await server.volumes.open('locked')
  await volume.remove(['a'], { caller: { principal: 'root' } })
  assert.equal((await server.other('GET', target)).text, 'x', 'through another door its version stays too')
  assert.equal((await server.other('DELETE', '/locked')).status, 409)
  const bypass = { headers: { 'x-amz-bypass-governance-retention': 'true' } }
  assert.equal((await server.other('DELETE', target, bypass)).status, 204)
})

test('browsers are told what a page of another origin may do', async () => {
  await using server = await open()
  const rules =
    '<CORSRule><AllowedMethod>PUT</AllowedMethod><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedHeader>x-amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule>' +
    '<CORSRule><AllowedMethod>GET</AllowedMethod><AllowedOrigin>*</AllowedOrigin></CORSRule>'
  await server.other('PUT', '/bucket?cors', { body: `<CORSConfiguration>${rules}</CORSConfiguration>` })
  const ask = (origin: string, method: string, headers = '') =>
    anonymous(server, 'OPTIONS', '/bucket/k', {
      origin,
      'access-control-request-method': method,
      ...(headers === '' ? {} : { 'access-control-request-headers': headers }),
    })
  const put = await ask('https://a.example.com', 'PUT', 'X-Amz-Date, x-amz-acl')
  assert.equal(put.status, 200)
  const allowed = ['allow-origin', 'allow-methods', 'allow-headers', 'expose-headers', 'max-age'].map((name) =>
    put.headers.get(`access-control-${name}`),
  )
  assert.deepEqual(allowed, ['https://a.example.com', 'PUT', 'x-amz-date, x-amz-acl', 'ETag', '60'])
  assert.equal((await ask('https://a.example.com', 'PUT', 'content-type')).status, 403)
  assert.equal((await ask('https://example.org', 'PUT')).status, 403)
  assert.equal((await ask('https://example.org', 'GET')).headers.get('access-control-allow-origin'), '*')
  assert.equal((await anonymous(server, 'OPTIONS', '/bucket/k')).status, 400)
  const refused = await anonymous(server, 'GET', '/bucket/k', { origin: 'https://example.org' })
  assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [403, '*'], 'of a refusal too')
  assert.equal((await anonymous(server, 'GET', '/bucket/k')).headers.get('access-control-allow-origin'), null)
})
