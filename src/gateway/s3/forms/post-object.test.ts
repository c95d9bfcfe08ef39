import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { after, before, test } from 'node:test'
import { ROOT } from '#access/principal.ts'
import { deriveSigningKey } from '../auth/signing-keys.ts'
import { Hmac } from '../auth/hmac.ts'
import { startObjectServer } from '../objects/object-server.suite.ts'
import type { ObjectServer } from '../objects/object-server.suite.ts'
import { verifyPostSignature } from './post-signature.ts'

const KEY = { accessKey: 'TESTKEY', secretKey: 'test-secret-with-40-characters-aaaaaaaaa' }
const BUCKET = 'forms'

let server: ObjectServer

before(async () => {
  server = await startObjectServer()
  assert.equal((await server.request('PUT', `/${BUCKET}`)).status, 200)
})
after(() => server[Symbol.asyncDispose]())

async function post(
  fields: readonly (readonly [string, string])[],
  file: string | undefined = 'contents',
  fileName = 'file.txt',
) {
  const form = new FormData()
  for (const [name, value] of fields) form.append(name, value)
  if (file !== undefined) form.append('file', new Blob([file]), fileName)
  const answer = await fetch(`http://127.0.0.1:${server.port}/${BUCKET}`, { method: 'POST', body: form, redirect: 'manual' })
  return { status: answer.status, headers: answer.headers, text: await answer.text() }
}

type Fields = [string, string][]

/** The fields with a policy that allows them, signed. */
function signed(fields: Fields, options: { conditions?: unknown[]; version?: 2 | 4; secretKey?: string } = {}): Fields {
  const time = new Date().toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  const scope = { date: time.slice(0, 8), region: 'anywhere', service: 's3' }
  const { version = 4, secretKey = KEY.secretKey } = options
  const signing: Fields =
    version === 2
      ? [['AWSAccessKeyId', KEY.accessKey]]
      : [
          ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
          ['x-amz-credential', `${KEY.accessKey}/${scope.date}/anywhere/s3/aws4_request`],
          ['x-amz-date', time],
        ]
  const all: Fields = [...fields, ...signing]
  const conditions = options.conditions ?? [{ bucket: BUCKET }, ...all.map(([name]) => ['starts-with', `$${name}`, ''])]
  const document = { expiration: new Date(Date.now() + 60_000).toISOString(), conditions }
  const policy = Buffer.from(JSON.stringify(document)).toString('base64')
  const signature: [string, string] =
    version === 2
      ? ['signature', createHmac('sha1', secretKey).update(policy).digest('base64')]
      : ['x-amz-signature', new Hmac(deriveSigningKey(secretKey, scope)).sign(policy)]
  return [...all, ['policy', policy], signature]
}

test("AWS's example of a signed policy is accepted", () => {
  const policy = Buffer.from(
    [
      '{ "expiration": "2015-12-30T12:00:00.000Z",',
      '  "conditions": [',
      '    {"bucket": "sigv4examplebucket"},',
      '    ["starts-with", "$key", "user/user1/"],',
      '    {"acl": "public-read"},',
      '    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},',
      '    ["starts-with", "$Content-Type", "image/"],',
      '    {"x-amz-meta-uuid": "14365123651274"},',
      '    {"x-amz-server-side-encryption": "AES256"},',
      '    ["starts-with", "$x-amz-meta-tag", ""],',
      '',
      '    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},',
      '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
      '    {"x-amz-date": "20151229T000000Z" }',
      '  ]',
      '}',
    ].join('\r\n'),
  ).toString('base64')
  const fields = new Map([
    ['policy', policy],
    ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
    ['x-amz-credential', 'AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request'],
    ['x-amz-date', '20151229T000000Z'],
    ['x-amz-signature', '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e'],
  ])
  const key = { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', principal: ROOT }
  assert.equal(
    verifyPostSignature(fields, () => key),
    ROOT,
  )
})

test('a signed form stores its file with what its fields say of it', async () => {
  for (const version of [2, 4] as const) {
    const fields: Fields = [
      ['key', 'up/${filename}'],
      ['Content-Type', 'text/plain'],
      ['x-amz-meta-owner', 'alice'],
      ['tagging', '<Tagging><TagSet><Tag><Key>a</Key><Value>1 &amp; 2</Value></Tag></TagSet></Tagging>'],
    ]
    const posted = await post(signed(fields, { version }), `version ${version}`, `v${version}.txt`)
    assert.equal(posted.status, 204, posted.text)
    const read = await server.request('GET', `/${BUCKET}/up/v${version}.txt`)
    assert.equal(read.text, `version ${version}`)
    assert.equal(read.headers.get('content-type'), 'text/plain')
    assert.equal(read.headers.get('x-amz-meta-owner'), 'alice')
    assert.equal(read.headers.get('etag'), posted.headers.get('etag'))
    assert.match(
      (await server.request('GET', `/${BUCKET}/up/v${version}.txt?tagging`)).text,
      /<Key>a<\/Key><Value>1 &amp; 2<\/Value>/,
    )
  }
})

test('the answer is the one that the form asks for', async () => {
  const created = await post(
    signed([
      ['key', 'a b/ü'],
      ['success_action_status', '201'],
    ]),
  )
  assert.equal(created.status, 201)
  assert.match(
    created.text,
    /<PostResponse><Location>http:\/\/127\.0\.0\.1:\d+\/forms\/a%20b\/%C3%BC<\/Location><Bucket>forms<\/Bucket><Key>a b\/ü<\/Key><ETag>&quot;[0-9a-f]{32}&quot;<\/ETag>/,
  )
  assert.equal(
    (
      await post(
        signed([
          ['key', 'a'],
          ['success_action_status', '200'],
        ]),
      )
    ).status,
    200,
  )
  assert.equal(
    (
      await post(
        signed([
          ['key', 'a'],
          ['success_action_status', '404'],
        ]),
      )
    ).status,
    204,
  )
  const redirected = await post(
    signed([
      ['key', 'a b'],
      ['success_action_redirect', 'https://example.com/done?x=1'],
    ]),
  )
  assert.equal(redirected.status, 303)
  assert.match(
    redirected.headers.get('location') ?? '',
    /^https:\/\/example\.com\/done\?x=1&bucket=forms&key=a%20b&etag=%22[0-9a-f]{32}%22$/,
  )
  assert.equal(
    (
      await post(
        signed([
          ['key', 'a'],
          ['success_action_redirect', 'javascript:alert(1)'],
        ]),
      )
    ).status,
    204,
  )
})

test('a form that is not signed, signed wrongly, or not what was signed stores nothing', async () => {
  const fields: Fields = [['key', 'no']]
  const code = async (given: Fields, file?: string) => {
    const { status, text } = await post(given, file)
    return `${status} ${/<Code>(\w+)/.exec(text)?.[1]}`
  }
  assert.equal(await code(fields), '403 AccessDenied')
  for (const version of [2, 4] as const) {
    assert.equal(await code(signed(fields, { version, secretKey: 'wrong-secret' })), '403 SignatureDoesNotMatch')
    const other = signed(fields, { version }).map(([name, value]): [string, string] => [name, value.replace('TESTKEY', 'NOBODY')])
    assert.equal(await code(other), '403 InvalidAccessKeyId')
    const unsigned = signed(fields, { version }).filter(([name]) => !name.endsWith('signature'))
    assert.equal(await code(unsigned), '400 InvalidArgument')
  }
  assert.equal(await code([...signed(fields), ['x-amz-meta-more', 'x']]), '403 AccessDenied')
  assert.equal(await code(signed(fields, { conditions: [{ bucket: 'other' }, ['starts-with', '$key', '']] })), '403 AccessDenied')
  const sized = (min: number, max: number) =>
    signed(fields, { version: 2, conditions: [{ bucket: BUCKET }, { key: 'no' }, ['content-length-range', min, max]] })
  assert.equal(await code(sized(0, 4), 'five5'), '400 EntityTooLarge')
  assert.equal(await code(sized(6, 9), 'five5'), '400 EntityTooSmall')
  assert.equal(await code(signed([['key', '']])), '400 UserKeyMustBeSpecified')
  assert.equal(await code(signed([['x', '']])), '400 UserKeyMustBeSpecified')
  assert.equal(
    await code(
      signed([
        ['key', 'no'],
        ['Content-Type', 'a\nb: c'],
      ]),
    ),
    '400 InvalidArgument',
  )
  assert.equal(
    await code(
      signed([
        ['key', 'no'],
        ['x-amz-checksum-sha256', 'AAAA'],
      ]),
    ),
    '400 BadDigest',
  )
  assert.equal((await server.request('GET', `/${BUCKET}/no`)).status, 404)
})

test('a POST that is no form is refused, and a large file is stored like any other', async () => {
  const answer = await fetch(`http://127.0.0.1:${server.port}/${BUCKET}`, { method: 'POST', body: 'text' })
  assert.equal(answer.status, 412)
  const large = 'x'.repeat(3 * 1024 * 1024)
  assert.equal((await post(signed([['key', 'large']]), large)).status, 204)
  assert.equal((await server.request('GET', `/${BUCKET}/large`)).text, large)
})
