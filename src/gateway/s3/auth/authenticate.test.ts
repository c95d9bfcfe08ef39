import assert from 'node:assert/strict'
import { createHmac, hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { ROOT } from '#access/principal.ts'
import { S3Error } from '../s3-error.ts'
import { S3Query } from '../s3-query.ts'
import { authenticate } from './authenticate.ts'
import type { Authenticated } from './authenticate.ts'
import { canonicalPath, canonicalQuery } from './canonical-request.ts'
import { SignedHeaders } from './signed-headers.ts'
import { deriveSigningKey, SigningKeys } from './signing-keys.ts'

// The examples of the S3 API reference, "Signature calculations for the Authorization header" and "… query parameters".
const KEY = { accessKey: 'AKIAIOSFODNN7EXAMPLE', secretKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY', principal: ROOT }
const NOW_MS = Date.UTC(2013, 4, 24)
const SCOPE = '20130524/us-east-1/s3/aws4_request'
const EMPTY = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

interface Request {
  readonly method?: string
  readonly target: string
  readonly headers: readonly (readonly [string, string])[]
}

function check({ method = 'GET', target, headers }: Request, nowMs = NOW_MS, keys = new SigningKeys()): Authenticated {
  const [path = '', query = ''] = target.split(/\?(.*)/s)
  const joined: IncomingHttpHeaders = {}
  for (const [name, value] of headers) {
    const before = joined[name.toLowerCase()]
    joined[name.toLowerCase()] = before === undefined ? value : `${String(before)}, ${value}`
  }
  const request = { method, path, query, headers: joined, rawHeaders: headers.flat(), parameters: S3Query.parse(query) }
  return authenticate(request, { find: (name) => (name === KEY.accessKey ? KEY : undefined), keys, nowMs })
}

function authorization(signed: string, signature: string): readonly [string, string] {
  return ['Authorization', `AWS4-HMAC-SHA256 Credential=${KEY.accessKey}/${SCOPE},SignedHeaders=${signed},Signature=${signature}`]
}

const HOST = ['Host', 'examplebucket.s3.amazonaws.com'] as const
const DATE = ['x-amz-date', '20130524T000000Z'] as const
const NO_BODY = ['x-amz-content-sha256', EMPTY] as const

const refused =
  (code: string, text = /./) =>
  (error: unknown) =>
    error instanceof S3Error && error.s3Code === code && text.test(error.message)

/** Signs as a client does that canonicalises as `canonical` says. */
function signed(options: {
  method?: string
  target: string
  canonical: string
  headers?: [string, string][]
  hash?: string
}): Request {
  const { method = 'GET', target, canonical, headers = [], hash: payload = EMPTY } = options
  const all: [string, string][] = [[...HOST], [...DATE], ['x-amz-content-sha256', payload], ...headers]
  const names = all.map(([name]) => name.toLowerCase()).sort()
  const [path, query = ''] = canonical.split(/\?(.*)/s)
  const text = [method, path, query, new SignedHeaders(names).lines(all.flat()), names.join(';'), payload].join('\n')
  const key = deriveSigningKey(KEY.secretKey, { date: '20130524', region: 'us-east-1', service: 's3' })
  const toSign = `AWS4-HMAC-SHA256\n20130524T000000Z\n${SCOPE}\n${hash('sha256', text)}`
  const signature = createHmac('sha256', key).update(toSign).digest('hex')
  return { method, target, headers: [...all, authorization(names.join(';'), signature)] }
}

test("AWS's own examples of signed requests are accepted", () => {
  const common = 'host;x-amz-content-sha256;x-amz-date'
  const examples: Request[] = [
    {
      target: '/test.txt',
      headers: [
        HOST,
        ['Range', 'bytes=0-9'],
        NO_BODY,
        DATE,
        authorization(
          'host;range;x-amz-content-sha256;x-amz-date',
          'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
        ),
      ],
    },
    {
      method: 'PUT',
      target: '/test$file.text',
      headers: [
        HOST,
        ['Date', 'Fri, 24 May 2013 00:00:00 GMT'],
        DATE,
        ['x-amz-storage-class', 'REDUCED_REDUNDANCY'],
        ['x-amz-content-sha256', hash('sha256', 'Welcome to Amazon S3.')],
        authorization(
          'date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class',
          '98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd',
        ),
      ],
    },
    {
      target: '/?lifecycle',
      headers: [HOST, NO_BODY, DATE, authorization(common, 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543')],
    },
    {
      target: '/?max-keys=2&prefix=J',
      headers: [HOST, NO_BODY, DATE, authorization(common, '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7')],
    },
  ]
  for (const example of examples) assert.equal(check(example).principal, ROOT, example.target)
})

const PRESIGNED =
  '/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404'

test("AWS's example of a presigned URL is accepted until it expires, and not changed", () => {
  const at = (nowMs: number) => check({ target: PRESIGNED, headers: [HOST] }, nowMs)
  assert.deepEqual(at(NOW_MS).payload, { kind: 'unsigned' })
  assert.equal(at(NOW_MS + 86_399_000).principal, ROOT)
  assert.throws(() => at(NOW_MS + 86_400_000), refused('AccessDenied', /expired/))
  assert.throws(() => at(NOW_MS - 16 * 60_000), refused('RequestTimeTooSkewed'))
  const changed = (from: string, to: string) => () => check({ target: PRESIGNED.replace(from, to), headers: [HOST] })
  assert.throws(changed('test.txt', 'test2.txt'), refused('SignatureDoesNotMatch'))
  assert.throws(changed('86400', '604800'), refused('SignatureDoesNotMatch'))
  assert.throws(changed('86400', '604801'), refused('AccessDenied', /week/))
  assert.throws(changed('86400', '-1'), refused('AccessDenied', /week/))
  assert.throws(changed('86400', 'soon'), refused('AuthorizationQueryParametersError'))
  assert.throws(changed('?X', '?versionId=1&X'), refused('SignatureDoesNotMatch'))
  assert.throws(changed('&X-Amz-Date=20130524T000000Z', ''), refused('AuthorizationQueryParametersError'))
  assert.throws(
    () => check({ target: PRESIGNED, headers: [HOST, ['x-amz-acl', 'public-read']] }),
    refused('AccessDenied', /not signed: x-amz-acl/),
  )
})

test('the time of a signature is within 15 minutes of here, and of the day of its credential', () => {
  const request = signed({ target: '/a', canonical: '/a' })
  for (const minutes of [-15, 0, 15]) assert.equal(check(request, NOW_MS + minutes * 60_000).principal, ROOT)
  for (const minutes of [-16, 16]) assert.throws(() => check(request, NOW_MS + minutes * 60_000), refused('RequestTimeTooSkewed'))
  const otherDay = {
    ...request,
    headers: request.headers.map(([name, value]) => [name, value.replace('20130524T', '20130525T')] as const),
  }
  assert.throws(() => check(otherDay, NOW_MS + 86_400_000), refused('AuthorizationHeaderMalformed'))
})

test('a header is judged by all of it, whatever was read of one with the same beginning', () => {
  const request = signed({ target: '/a', canonical: '/a' })
  const ending = (change: (signature: string) => string) => ({
    ...request,
    headers: request.headers.map(([name, value]) => [name, value.replace(/[0-9a-f]{64}$/, change)] as const),
  })
  assert.equal(check(request).principal, ROOT)
  assert.throws(
    () => check(ending((signature) => signature.replace(/^./, (digit) => (digit === '0' ? '1' : '0')))),
    refused('SignatureDoesNotMatch'),
  )
  for (const change of [
    (signature: string) => signature.toUpperCase().replace(/^./, 'A'),
    (signature: string) => signature.slice(1),
    (signature: string) => `${signature}0`,
    (signature: string) => `${signature}, Signature=${signature}`,
    (signature: string) => `${signature}, SignedHeaders=host`,
  ])
    assert.throws(() => check(ending(change)), refused('AuthorizationHeaderMalformed'))
  const ofAnother = request.headers.map(([name, value]) => [name, value.replace(/EXAMPLE\//, 'EXAMPLF/')] as const)
  for (let turn = 0; turn < 3; turn += 1) {
    assert.equal(check(request).principal, ROOT)
    assert.throws(() => check({ ...request, headers: ofAnother }), refused('InvalidAccessKeyId'))
  }
  assert.equal(check(request).principal, ROOT)
})

test('other ways of signing, and several at once, are refused by name', () => {
  const header = (value: string) => () => check({ target: '/', headers: [HOST, DATE, NO_BODY, ['Authorization', value]] })
  assert.throws(header('AWS AKIAIOSFODNN7EXAMPLE:frJIUN8DYpKDtOLCwo//yllqDzg='), refused('InvalidRequest', /version 4/))
  assert.throws(
    () => check({ target: '/?AWSAccessKeyId=A&Signature=b&Expires=1', headers: [HOST] }),
    refused('InvalidRequest', /version 4/),
  )
  assert.throws(header('Basic YTpi'), refused('InvalidArgument', /"Basic"/))
  assert.throws(header('AWS4-HMAC-SHA256 Credential=x'), refused('AuthorizationHeaderMalformed'))
  assert.throws(header('AWS4-HMAC-SHA256'), refused('AuthorizationHeaderMalformed'))
  assert.throws(
    () => check({ target: PRESIGNED, headers: [HOST, DATE, authorization('host', EMPTY)] }),
    refused('InvalidArgument', /not both/),
  )
  assert.throws(
    () => check({ target: '/', headers: [HOST, DATE, authorization('host;x-amz-date', EMPTY)] }),
    refused('InvalidRequest', /x-amz-content-sha256/),
  )
  assert.throws(
    () => check({ target: '/', headers: [HOST, NO_BODY, authorization('host', EMPTY)] }),
    refused('AccessDenied', /x-amz-date/),
  )
  const iam = authorization('host', EMPTY)[1].replace('/s3/', '/iam/')
  assert.throws(header(iam), refused('AuthorizationHeaderMalformed', /"iam"/))
  assert.throws(
    header(
      authorization('host', EMPTY)[1].replace(KEY.accessKey, 'NOBODY').replace('=host', '=host;x-amz-content-sha256;x-amz-date'),
    ),
    refused('InvalidAccessKeyId'),
  )
  assert.throws(
    () => check(signed({ target: '/', canonical: '/', headers: [['x-amz-security-token', 'token']] })),
    refused('InvalidToken'),
  )
  assert.equal(check({ target: '/', headers: [HOST] }).principal.kind, 'anonymous')
})

test('host and every x-amz- header have to be signed', () => {
  const request = signed({ target: '/a', canonical: '/a' })
  for (const added of ['x-amz-acl', 'X-Amz-Meta-Owner', 'x-amz-copy-source'])
    assert.throws(
      () => check({ ...request, headers: [...request.headers, [added, 'x']] }),
      refused('AccessDenied', /not signed/),
      added,
    )
  const unsigned = request.headers.map(([name, value]) => [name, value.replace('SignedHeaders=host;', 'SignedHeaders=')] as const)
  assert.throws(() => check({ ...request, headers: unsigned }), refused('AccessDenied', /not signed: host/))
  const twice = request.headers.map(([name, value]) => [name, value.replace('=host;', '=host;host;')] as const)
  assert.throws(() => check({ ...request, headers: twice }), refused('AuthorizationHeaderMalformed', /each once/))
  assert.equal(check({ ...request, headers: [...request.headers, ['Content-Type', 'text/plain']] }).principal, ROOT)
})

test('a signed header that is sent twice counts with both values', () => {
  const once = signed({ target: '/a', canonical: '/a', headers: [['x-amz-meta-a', '1']] })
  assert.throws(() => check({ ...once, headers: [...once.headers, ['x-amz-meta-a', '2']] }), refused('SignatureDoesNotMatch'))
  assert.equal(new SignedHeaders(['x-a', 'x-b']).lines(['X-A', ' 1  2 ', 'x-a', '3']), 'x-a:1 2,3\nx-b:\n')
})

test('a path counts decoded once and encoded again, nothing in it is normalised', () => {
  for (const [raw, canonical] of [
    ['/a b', '/a%20b'],
    ['/a+b', '/a%2Bb'],
    ['/a%2fb%7Ec', '/a/b~c'],
    ['/a%2520b', '/a%2520b'],
    ['//a//b/../.', '//a//b/../.'],
    ['/%c3%a9', '/%C3%A9'],
    ['/%ff', '/%FF'],
    ["/!'()*", '/%21%27%28%29%2A'],
  ] as const) {
    assert.equal(canonicalPath(raw), canonical)
    assert.equal(check(signed({ target: raw, canonical })).principal, ROOT, raw)
  }
})

test('a signature over one path opens no other', () => {
  for (const [sent, meant] of [
    ['/a%2520b', '/a%20b'],
    ['/a%20b', '/a%2520b'],
    ['/a//b', '/a/b'],
    ['/a/b', '/a//b'],
    ['/a/../b', '/b'],
    ['/b', '/a/../b'],
    ['/a+b', '/a%20b'],
    ['/a%20b', '/a%2Bb'],
    ['/A', '/a'],
  ] as const) {
    assert.throws(
      () => check(signed({ target: sent, canonical: meant })),
      refused('SignatureDoesNotMatch'),
      `${sent} as ${meant}`,
    )
  }
})

test('a path signed as it was sent is accepted too', () => {
  for (const path of ["/a!'()*b", '/a+b', '/a%2fb', '/%c3%a9'])
    assert.equal(check(signed({ target: path, canonical: path })).principal, ROOT, path)
})

test('a query counts decoded, encoded again and in order, and whatever is added breaks the signature', () => {
  assert.equal(canonicalQuery('prefix=a+b&acl&delimiter=/&Z=1&a=%7e'), 'Z=1&a=~&acl=&delimiter=%2F&prefix=a%20b')
  assert.equal(canonicalQuery('X-Amz-Signature=x&b=1', 'X-Amz-Signature'), 'b=1')
  const request = signed({ target: '/a?b=1&a=%2F', canonical: '/a?a=%2F&b=1' })
  assert.equal(check(request).principal, ROOT)
  assert.throws(() => check({ ...request, target: '/a?b=1&a=%2F&acl' }), refused('SignatureDoesNotMatch'))
  assert.throws(() => check({ ...request, target: '/a?b=1&a=%2F&a=2' }), refused('InvalidArgument', /more than once/))
  assert.throws(() => check({ ...request, method: 'DELETE' }), refused('SignatureDoesNotMatch'))
})

const formsOf = (byte: number, plain = /[A-Za-z0-9\-._~]/): string[] => {
  const hex = byte.toString(16).padStart(2, '0')
  const escaped = [`%${hex.toUpperCase()}`, `%${hex}`]
  return plain.test(String.fromCharCode(byte)) ? [String.fromCharCode(byte), ...escaped] : escaped
}

test('a path has one canonical form, however its bytes are written', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.nat(2)), { maxLength: 12 }), (bytes) => {
      const forms = bytes.map(([byte, at]) => ({ all: formsOf(byte, /[A-Za-z0-9\-._~/]/), at }))
      const canonical = forms.map(({ all }) => all[0]).join('')
      assert.equal(canonicalPath(forms.map(({ all, at }) => all[at] ?? all[0]).join('')), canonical)
      assert.equal(canonicalPath(canonical), canonical)
    }),
    { numRuns: 1_000 },
  )
})

test('a query has one canonical form, however its bytes are written and its parameters ordered', () => {
  const text = fc.array(fc.tuple(fc.integer({ min: 0, max: 255 }), fc.nat(2)), { maxLength: 12 })
  const pairs = fc.array(fc.tuple(text, text), { maxLength: 5 })
  fc.assert(
    fc.property(pairs, (list) => {
      const write = (letters: [number, number][]) => letters.map(([byte, at]) => formsOf(byte)[at] ?? formsOf(byte)[0]).join('')
      const best = (letters: [number, number][]) => letters.map(([byte]) => formsOf(byte)[0]).join('')
      const canonical = list
        .map(([name, value]) => ({ name: best(name), value: best(value) }))
        .toSorted((a, b) => compare(a.name, b.name) || compare(a.value, b.value))
        .map(({ name, value }) => `${name}=${value}`)
        .join('&')
      assert.equal(canonicalQuery(list.map(([name, value]) => `${write(name)}=${write(value)}`).join('&')), canonical)
      assert.equal(canonicalQuery(canonical), canonical)
    }),
  )
})

function compare(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

test('a presigned URL is refused for its own date and signature, also after one with the same key and headers was read', () => {
  const target = (date: string, signature: string): string =>
    `/a?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${encodeURIComponent(`${KEY.accessKey}/${SCOPE}`)}&X-Amz-Date=${date}&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=${signature}`
  const ask = (date: string, signature: string) => check({ target: target(date, signature), headers: [['Host', 'h']] })
  assert.throws(() => ask('20130524T000000Z', '0'.repeat(64)), refused('SignatureDoesNotMatch'))
  assert.throws(() => ask('20130524T000000Z', '0'.repeat(63)), refused('AuthorizationQueryParametersError', /64 lower-case/))
  assert.throws(() => ask('20130525T000000Z', '0'.repeat(64)), refused('AuthorizationQueryParametersError'))
})

test('presigned URLs that differ in their dates alone are each accepted with their own signature, and with no other', () => {
  const dates = ['20130524T000000Z', '20130524T000001Z', '20130524T000700Z']
  const key = deriveSigningKey(KEY.secretKey, { date: '20130524', region: 'us-east-1', service: 's3' })
  const credential = encodeURIComponent(`${KEY.accessKey}/${SCOPE}`)
  for (const [before, after] of [
    ['', ''],
    ['A=X-Amz-Date%3D00000000T000000Z', '&versionId=X-Amz-Date%3D20130524T000000Z'],
    ['z=1', '&A=~&ZX-Amz-Date=20130524T000000Z'],
  ] as const) {
    const query = (date: string): string =>
      `${before}&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=${credential}&X-Amz-Date=${date}&X-Amz-Expires=60${after}&X-Amz-SignedHeaders=host`
    const signatures = dates.map((date) => {
      // As a client puts it into order.
      const canonical = query(date).split('&').filter(Boolean).toSorted().join('&')
      const text = `GET\n/a\n${canonical}\nhost:h\n\nhost\nUNSIGNED-PAYLOAD`
      const toSign = `AWS4-HMAC-SHA256\n${date}\n${SCOPE}\n${hash('sha256', text)}`
      return createHmac('sha256', key).update(toSign).digest('hex')
    })
    for (const [at, date] of dates.entries())
      for (const [of, signature] of signatures.entries()) {
        const ask = () => check({ target: `/a?${query(date)}&X-Amz-Signature=${signature}`, headers: [['Host', 'h']] })
        if (at === of) assert.equal(ask().principal, ROOT)
        else assert.throws(ask, refused('SignatureDoesNotMatch'))
      }
  }
})

test('the form of the payload is part of what is signed', () => {
  const request = signed({ target: '/a', canonical: '/a', method: 'PUT', hash: 'UNSIGNED-PAYLOAD' })
  assert.deepEqual(check(request).payload, { kind: 'unsigned' })
  const other = request.headers.map(([name, value]) => [name, value.replace('UNSIGNED-PAYLOAD', EMPTY)] as const)
  assert.throws(() => check({ ...request, headers: other }), refused('SignatureDoesNotMatch'))
  const form = (payload: string) => check(signed({ target: '/a', canonical: '/a', hash: payload })).payload
  assert.deepEqual(form('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'), { kind: 'chunks', signed: true, trailer: false })
  assert.deepEqual(form('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'), { kind: 'chunks', signed: true, trailer: true })
  assert.deepEqual(form('STREAMING-UNSIGNED-PAYLOAD-TRAILER'), { kind: 'chunks', signed: false, trailer: true })
  assert.throws(() => form('STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD'), refused('NotImplemented', /4A/))
  for (const other of ['nonsense', 'constructor', `${EMPTY}0`])
    assert.throws(() => form(other), refused('InvalidArgument', /x-amz-content-sha256/))
  for (const digest of [EMPTY, hash('sha256', 'other'), EMPTY.toUpperCase()])
    assert.deepEqual(form(digest), { kind: 'sha256', sha256: Buffer.from(digest, 'hex') })
  assert.throws(
    () => check({ target: '/a', headers: [HOST, ['x-amz-content-sha256', 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD']] }),
    refused('InvalidRequest', /signed request/),
  )
})

test('a key whose secret was changed signs with the new one', () => {
  const keys = new SigningKeys()
  const scope = { date: '20130524', region: 'r', service: 's3' }
  const signedWith = (secretKey: string, region = 'r') =>
    keys.get({ accessKey: 'A', secretKey }, { ...scope, region }).hmac.sign('text')
  const first = signedWith('one')
  assert.equal(signedWith('one'), first)
  assert.notEqual(signedWith('two'), first)
  assert.notEqual(signedWith('two', 'q'), signedWith('two'))
  const signedByScope = (accessKey: string, secretKey: string) => keys.get({ accessKey, secretKey }, scope).hmac.sign('text')
  for (const secretKey of ['one', 'two', 'one']) assert.equal(signedByScope('A', secretKey), signedWith(secretKey))
  assert.notEqual(signedByScope('A', 'one'), signedByScope('A', 'two'))
  assert.equal(keys.get({ accessKey: 'A', secretKey: 'one' }, scope).scope, '20130524/r/s3/aws4_request')
})
