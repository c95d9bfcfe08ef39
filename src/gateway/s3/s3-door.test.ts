import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { after, before, test } from 'node:test'
import { formatAmzDate } from './auth/amz-date.ts'
import { canonicalPath, canonicalQuery } from './auth/canonical-request.ts'
import { SignedHeaders } from './auth/signed-headers.ts'
import { deriveSigningKey, formatScope } from './auth/signing-keys.ts'
import { Hmac } from './auth/hmac.ts'
import { startObjectServer } from './objects/object-server.suite.ts'
import type { Answer, ObjectServer } from './objects/object-server.suite.ts'

const KEY = { accessKey: 'TESTKEY', secretKey: 'test-secret-with-40-characters-aaaaaaaaa' }

let server: ObjectServer

before(async () => {
  server = await startObjectServer()
  assert.equal((await server.request('PUT', '/photos')).status, 200)
})
after(() => server[Symbol.asyncDispose]())

interface Call {
  readonly method?: string
  readonly target: string
  readonly headers?: Record<string, string>
  /** Added after the signature was made. */
  readonly unsigned?: Record<string, string>
  readonly payload?: string
  readonly body?: string
  readonly timeMs?: number
}

/** Sends exactly this target and these headers, signed in the header. */
function send({ unsigned = {}, body, ...call }: Call): Promise<Answer> {
  const headers = { ...signedHeaders({ ...call, ...(body === undefined ? {} : { body }) }), ...unsigned }
  return exchange({ method: call.method ?? 'GET', target: call.target, headers, ...(body === undefined ? {} : { body }) })
}

function signedLines(method: string, target: string): string {
  return Object.entries(signedHeaders({ method, target }))
    .filter(([name]) => name !== 'host')
    .map(([name, value]) => `${name}: ${value}`)
    .join('\r\n')
}

function signedHeaders({ method = 'GET', target, headers = {}, body, ...more }: Call): Record<string, string> {
  const { payload = hash('sha256', body ?? ''), timeMs = Date.now() } = more
  const time = formatAmzDate(timeMs)
  const scope = { date: time.slice(0, 8), region: 'mars-1', service: 's3' }
  const all = { host: `127.0.0.1:${server.port}`, 'x-amz-date': time, 'x-amz-content-sha256': payload, ...headers }
  const names = Object.keys(all).toSorted()
  const [path = '', query = ''] = target.split(/\?(.*)/s)
  const canonical = [
    method,
    canonicalPath(path),
    canonicalQuery(query),
    new SignedHeaders(names).lines(Object.entries(all).flat()),
    names.join(';'),
    payload,
  ]
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${formatScope(scope)}\n${hash('sha256', canonical.join('\n'))}`
  const signature = new Hmac(deriveSigningKey(KEY.secretKey, scope)).sign(toSign)
  const authorization = `AWS4-HMAC-SHA256 Credential=${KEY.accessKey}/${formatScope(scope)}, SignedHeaders=${names.join(';')}, Signature=${signature}`
  return { ...all, authorization }
}

function exchange({ method = 'GET', target, headers = {}, body }: Call): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: server.port, method, path: target, headers }, async (response) => {
      const pieces: Buffer[] = []
      for await (const piece of response) pieces.push(piece as Buffer)
      const bytes = Buffer.concat(pieces)
      resolve({
        status: response.statusCode as number,
        headers: new Headers(response.headers as Record<string, string>),
        bytes,
        text: bytes.toString(),
      })
    })
    request.on('error', reject)
    request.end(body)
  })
}

const codeOf = ({ text }: Answer) => /<Code>(\w+)<\/Code>/.exec(text)?.[1]

test('a bucket is reached by path and by host, and any region may have signed', async () => {
  assert.equal((await send({ method: 'PUT', target: '/photos/a%20b', body: 'here' })).status, 200)
  const host = `photos.localhost:${server.port}`
  assert.equal((await send({ target: '/a%20b', headers: { host } })).text, 'here')
  assert.match((await send({ target: '/', headers: { host } })).text, /<Key>a b<\/Key>/)
  assert.match((await send({ target: '/' })).text, /<Name>photos<\/Name>/)
})

test('an error says what was wrong, of what, and under which request id; HEAD has no body', async () => {
  const missing = await send({ target: '/photos/<none>&' })
  assert.equal(missing.status, 404)
  assert.equal(missing.headers.get('content-type'), 'application/xml')
  const id = missing.headers.get('x-amz-request-id') ?? ''
  assert.match(
    missing.text,
    new RegExp(
      `^<\\?xml version="1.0" encoding="UTF-8"\\?>\\n<Error><Code>NoSuchKey</Code><Message>.+</Message>.*<Resource>/photos/&lt;none&gt;&amp;</Resource><RequestId>${id}</RequestId><HostId>.+</HostId></Error>$`,
    ),
  )
  assert.ok(missing.headers.has('x-amz-id-2'))
  const head = await send({ method: 'HEAD', target: '/photos/none' })
  assert.deepEqual([head.status, head.text], [404, ''])
  assert.equal(codeOf(await send({ target: '/nowhere/a' })), 'NoSuchBucket')
})

test('what is not implemented says so, and does nothing else', async () => {
  for (const call of [
    { method: 'POST', target: '/', body: 'Action=ListUsers&Version=2010-05-08' },
    { method: 'PUT', target: '/photos/a%20b?renameObject' },
    { method: 'POST', target: '/photos/a%20b?select&select-type=2' },
    { target: '/photos?inventory' },
  ]) {
    const answer = await send(call)
    assert.deepEqual([answer.status, codeOf(answer)], [501, 'NotImplemented'], call.target)
  }
  assert.equal((await send({ target: '/photos/a%20b' })).text, 'here')
  assert.equal(codeOf(await send({ method: 'PATCH', target: '/photos/a%20b' })), 'MethodNotAllowed')
})

test('a request that is not signed, or whose signature does not cover it, changes nothing', async () => {
  const put = { method: 'PUT', target: '/photos/safe', body: 'original' }
  assert.equal((await send(put)).status, 200)
  const attack = { ...put, body: 'forged' }
  const payload = hash('sha256', 'original')
  for (const [answer, code] of [
    [exchange(attack), 'AccessDenied'],
    [send({ ...attack, payload }), 'XAmzContentSHA256Mismatch'],
    [send({ ...attack, unsigned: { 'x-amz-acl': 'public-read' } }), 'AccessDenied'],
    [send({ ...attack, unsigned: { 'x-amz-copy-source': '/photos/other' } }), 'AccessDenied'],
    [send({ ...attack, timeMs: Date.now() - 16 * 60_000 }), 'RequestTimeTooSkewed'],
    [exchange({ ...attack, headers: { authorization: 'AWS TESTKEY:c2lnbmF0dXJl' } }), 'InvalidRequest'],
    [exchange({ ...attack, headers: { authorization: 'Basic VEVTVEtFWTp0ZXN0' } }), 'InvalidArgument'],
    [send({ method: 'PUT', target: '/photos//safe', unsigned: { host: '127.0.0.1' }, body: 'forged' }), 'SignatureDoesNotMatch'],
  ] as const)
    assert.equal(codeOf(await answer), code)
  assert.equal((await send({ target: '/photos/safe' })).text, 'original')
})

test('a payload that is not what was announced is refused, and stores nothing', async () => {
  const chunked = { method: 'PUT', target: '/photos/chunks', payload: 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' }
  const headers = {
    'content-encoding': 'aws-chunked',
    'x-amz-decoded-content-length': '3',
    'x-amz-trailer': 'x-amz-checksum-crc32',
  }
  const wrong = await send({ ...chunked, headers, body: '3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n' })
  assert.equal(wrong.status, 400)
  assert.equal(codeOf(await send({ ...chunked, headers, body: '4\r\nabcd\r\n0\r\n\r\n' })), 'IncompleteBody')
  assert.equal(codeOf(await send({ ...chunked, headers: {}, body: '3\r\nabc\r\n0\r\n\r\n' })), 'MissingContentLength')
  assert.equal((await send({ target: '/photos/chunks' })).status, 404)
  const right = await send({ ...chunked, headers, body: '3\r\nabc\r\n0\r\nx-amz-checksum-crc32:NSRBwg==\r\n\r\n' })
  assert.equal(right.status, 200, right.text)
  const read = await send({ target: '/photos/chunks' })
  assert.deepEqual([read.text, read.headers.get('content-encoding')], ['abc', null])
})

test('a payload needs a length, an operation without a payload none, and an empty Expect asks for nothing', async () => {
  const raw = (text: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(server.port, '127.0.0.1', () =>
        socket.write(`${text}\r\nHost: 127.0.0.1:${server.port}\r\nConnection: close\r\n\r\n`),
      )
      let answer = ''
      socket
        .on('data', (piece) => (answer += piece.toString()))
        .on('error', reject)
        .on('close', () => resolve(answer))
    })
  assert.match(
    await raw(`PUT /photos/lengthless HTTP/1.1\r\n${signedLines('PUT', '/photos/lengthless')}`),
    /^HTTP\/1\.1 411 .*<Code>MissingContentLength/s,
  )
  assert.match(await raw(`PUT /lengthless HTTP/1.1\r\nExpect: \r\n${signedLines('PUT', '/lengthless')}`), /^HTTP\/1\.1 200 /)
})

test('documents are read strictly: no entities, no other root, no surplus bytes', async () => {
  const create = (body: string) => send({ method: 'PUT', target: '/documents', body })
  assert.equal(
    codeOf(await create('<!DOCTYPE a [<!ENTITY x "y">]><CreateBucketConfiguration>&x;</CreateBucketConfiguration>')),
    'MalformedXML',
  )
  assert.equal(codeOf(await create('<Other/>')), 'MalformedXML')
  assert.equal(codeOf(await create('<CreateBucketConfiguration>'.repeat(100))), 'MalformedXML')
  assert.equal(
    codeOf(await create(`<CreateBucketConfiguration>${' '.repeat(2 ** 21)}</CreateBucketConfiguration>`)),
    'EntityTooLarge',
  )
  assert.equal(
    codeOf(
      await send({
        method: 'PUT',
        target: '/documents',
        headers: { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' },
        body: '<CreateBucketConfiguration/>',
      }),
    ),
    'BadDigest',
  )
  assert.equal((await send({ method: 'HEAD', target: '/documents' })).status, 404)
  assert.equal(
    (await create('<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint></CreateBucketConfiguration>'))
      .status,
    200,
  )
})

test('who keeps sending wrong signatures waits for the answers', async () => {
  const fresh = await startObjectServer()
  try {
    const wrong = () => fetch(`http://127.0.0.1:${fresh.port}/photos`, { headers: wrongHeaders() })
    const started = performance.now()
    for (let count = 0; count < 5; count += 1) assert.equal((await wrong()).status, 403)
    const first = performance.now()
    await wrong()
    await wrong()
    assert.ok(performance.now() - first >= 250, `${first - started} ms for five, ${performance.now() - first} ms for two`)
  } finally {
    await fresh[Symbol.asyncDispose]()
  }
})

function wrongHeaders(): Record<string, string> {
  const time = formatAmzDate(Date.now())
  const credential = `TESTKEY/${time.slice(0, 8)}/r/s3/aws4_request`
  return {
    'x-amz-date': time,
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    authorization: `AWS4-HMAC-SHA256 Credential=${credential},SignedHeaders=host;x-amz-content-sha256;x-amz-date,Signature=${'0'.repeat(64)}`,
  }
}
