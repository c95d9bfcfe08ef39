import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { after, before, test } from 'node:test'
import { startObjectServer } from '#gateway/s3/objects/object-server.suite.ts'
import type { ObjectServer } from '#gateway/s3/objects/object-server.suite.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { simulatePair } from '#wire/wire-fixture.suite.ts'
import { startCluster } from './forward-fixture.suite.ts'
import type { TestCluster } from './forward-fixture.suite.ts'
import { decodeAnswerHead, encodeRequestHead, headInHeader, packHead } from './forward-head.ts'
import { FORWARD_METHOD, forwardMethods } from './forward-methods.ts'

// Requests to one node that are signed for its name, verified by another one.

let s3: ObjectServer
let cluster: TestCluster

before(async () => {
  s3 = await startObjectServer()
  cluster = await startCluster({ server: s3.http })
  await s3.request('PUT', '/photos')
})

after(async () => {
  await cluster[Symbol.asyncDispose]()
  await s3[Symbol.asyncDispose]()
})

/** A URL that may be used for an hour, as the client of AWS computes it. */
function presign(method: string, host: string, path: string): string {
  const time = new Date(nodeClock.nowMs()).toISOString().replaceAll(/[-:]|\.\d{3}/g, '')
  const scope = `${time.slice(0, 8)}/us-east-1/s3/aws4_request`
  const query = [
    'X-Amz-Algorithm=AWS4-HMAC-SHA256',
    `X-Amz-Credential=${encodeURIComponent(`TESTKEY/${scope}`)}`,
    `X-Amz-Date=${time}`,
    'X-Amz-Expires=3600',
    'X-Amz-SignedHeaders=host',
  ].join('&')
  const canonical = [method, path, query, `host:${host}`, '', 'host', 'UNSIGNED-PAYLOAD'].join('\n')
  const toSign = ['AWS4-HMAC-SHA256', time, scope, createHash('sha256').update(canonical).digest('hex')].join('\n')
  const hmac = (secret: string | Buffer, text: string): Buffer => createHmac('sha256', secret).update(text).digest()
  const secret = 'AWS4test-secret-with-40-characters-aaaaaaaaa'
  const key = scope.split('/').reduce<string | Buffer>((sofar, part) => hmac(sofar, part), secret)
  return `http://${host}${path}?${query}&X-Amz-Signature=${hmac(key, toSign).toString('hex')}`
}

test('a PUT that is signed in its headers for the host of the first node is stored', async () => {
  const { port } = cluster.pacific
  const target = '/photos/a%2Fb//c%20d%27%28%29'
  const headers = { 'x-amz-meta-note': 'two words', 'content-type': 'text/plain' }
  const { status } = await s3.request('PUT', target, { port, body: 'hello', headers })
  assert.equal(status, 200)
  const { text, headers: answered } = await s3.request('GET', target)
  assert.deepEqual([text, answered.get('x-amz-meta-note')], ['hello', 'two words'])
})

test('a presigned URL of the first node is good there, and nowhere else', async () => {
  const host = `localhost:${cluster.pacific.port}`
  const path = '/photos/signed%20one'
  const put = await fetch(presign('PUT', host, path), { method: 'PUT', body: 'by url' })
  assert.equal(put.status, 200)
  const got = await fetch(presign('GET', host, path))
  assert.deepEqual([got.status, await got.text()], [200, 'by url'])
  const other = await fetch(presign('GET', host, path).replace(host, `127.0.0.1:${cluster.pacific.port}`))
  assert.deepEqual([other.status, /<Code>(.*)<\/Code>/.exec(await other.text())?.[1]], [403, 'SignatureDoesNotMatch'])
})

test('an error has the form, the status and the request id that the client of the leader gets', async () => {
  const { status, text, headers } = await s3.request('GET', '/photos/missing', { port: cluster.pacific.port })
  assert.equal(status, 404)
  assert.match(text, /<Code>NoSuchKey<\/Code>/)
  assert.equal(/<RequestId>(.*)<\/RequestId>/.exec(text)?.[1], headers.get('x-request-id'))
})

test('policies hold for the address of the client and for its connection, not for the node between', async () => {
  const policy = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: '*',
        Action: 's3:GetObject',
        Resource: 'arn:aws:s3:::photos/*',
        Condition: { IpAddress: { 'aws:SourceIp': '10.9.8.0/24' }, Bool: { 'aws:SecureTransport': 'true' } },
      },
    ],
  }
  await s3.request('PUT', '/photos/inside', { body: 'hello' })
  await s3.request('PUT', '/photos?publicAccessBlock', {
    body: '<PublicAccessBlockConfiguration><BlockPublicPolicy>false</BlockPublicPolicy><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>',
  })
  const stored = await s3.request('PUT', '/photos?policy', { body: JSON.stringify(policy) })
  assert.equal(stored.status, 204, stored.text)
  const { peers, address } = await simulatePair(forwardMethods({ s3: s3.http }))
  const statusFor = async (remoteAddress: string, isSecure: boolean): Promise<number> => {
    const head = { server: 's3', id: 'r-1', expectsContinue: false, httpVersion: '1.1', method: 'GET' }
    const text = encodeRequestHead({ ...head, remoteAddress, isSecure, target: '/photos/inside', rawHeaders: ['Host', 'x'] })
    const calling = peers.call(address, FORWARD_METHOD, { header: packHead(text).header })
    const { header, body } = await calling
    body.cancel()
    return decodeAnswerHead(headInHeader(header)!.text).status
  }
  assert.equal(await statusFor('10.9.8.7', true), 200)
  assert.equal(await statusFor('10.9.7.7', true), 403)
  assert.equal(await statusFor('10.9.8.7', false), 403)
})

test('what makes no sense, or is for a server that is not there, is refused and begins nothing', async () => {
  const { peers, address } = await simulatePair(forwardMethods({ s3: s3.http }))
  const malformed = { code: 'INVALID_ARGUMENT' }
  for (const header of ['text', Buffer.alloc(0), Buffer.alloc(3), Buffer.from([0, 0, 0, 9, 1]), packHead('s3\nid\nx').header])
    await assert.rejects(peers.call(address, FORWARD_METHOD, { header }), malformed)
  const inBody = { header: Buffer.alloc(4), body: [Buffer.from([0xff, 0, 0, 0]), Buffer.alloc(100)] }
  await assert.rejects(peers.call(address, FORWARD_METHOD, inBody), malformed)
  await assert.rejects(peers.call(address, FORWARD_METHOD, { ...inBody, body: [Buffer.alloc(2)] }), malformed)
  const head = { id: 'r-1', expectsContinue: false, httpVersion: '1.1', method: 'GET', remoteAddress: '', isSecure: false }
  const text = encodeRequestHead({ ...head, server: 'toString', target: '/', rawHeaders: [] })
  await assert.rejects(peers.call(address, FORWARD_METHOD, packHead(text)), { code: 'UNSUPPORTED', details: { began: false } })
})
