import assert from 'node:assert/strict'
import { hash } from 'node:crypto'
import { connect } from 'node:net'
import { platform } from 'node:os'
import { test } from 'node:test'
import { SeededRandom } from '#platform/seeded-random.ts'
import { formatAmzDate } from './auth/amz-date.ts'
import { canonicalPath, canonicalQuery } from './auth/canonical-request.ts'
import { SignedHeaders } from './auth/signed-headers.ts'
import { deriveSigningKey, formatScope } from './auth/signing-keys.ts'
import { Hmac } from './auth/hmac.ts'
import { startObjectServer } from './objects/object-server.suite.ts'

const SECRET = 'test-secret-with-40-characters-aaaaaaaaa'
const ROUNDS = 400
const CONTENT = 'what was signed'
const DELETE_DOCUMENT = '<Delete><Object><Key>absent</Key></Object></Delete>'
const PIECES = ['%', '%2F', '%00', '%ff', '/', '//', '/../', '?', '&', '=', '+', ' ', '\t', ';', ',', ':', '"', '<', '&amp;', '\r\n', '\n', '\0', '\xff', '-', '0', 'a', 'x-amz-acl: public-read\r\n', 'Content-Length: 0\r\n', 'Transfer-Encoding: chunked\r\n', 'Host: other\r\n'] // prettier-ignore

/** A request as it goes over the wire, signed. */
function recorded(port: number, method: string, target: string, body: string): string {
  const time = formatAmzDate(Date.now())
  const scope = { date: time.slice(0, 8), region: 'us-east-1', service: 's3' }
  const payload = hash('sha256', body)
  const headers = { host: `127.0.0.1:${port}`, 'x-amz-content-sha256': payload, 'x-amz-date': time }
  const names = Object.keys(headers)
  const [path = '', query = ''] = target.split('?')
  const text = [
    method,
    canonicalPath(path),
    canonicalQuery(query),
    new SignedHeaders(names).lines(Object.entries(headers).flat()),
    names.join(';'),
    payload,
  ]
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${formatScope(scope)}\n${hash('sha256', text.join('\n'))}`
  const signature = new Hmac(deriveSigningKey(SECRET, scope)).sign(toSign)
  const lines = [
    `${method} ${target} HTTP/1.1`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    `authorization: AWS4-HMAC-SHA256 Credential=TESTKEY/${formatScope(scope)}, SignedHeaders=${names.join(';')}, Signature=${signature}`,
    `content-length: ${Buffer.byteLength(body)}`,
    'connection: close',
  ]
  return `${lines.join('\r\n')}\r\n\r\n${body}`
}

function mutate(text: string, random: SeededRandom): string {
  const pick = (below: number) => Math.floor(random.fraction() * below)
  let mutated = text
  for (let count = 1 + pick(3); count > 0; count -= 1) {
    const at = pick(mutated.length)
    const piece = random.fraction() < 0.7 ? (PIECES[pick(PIECES.length)] as string) : ''
    mutated = mutated.slice(0, at) + piece + mutated.slice(at + pick(3))
  }
  return mutated
}

/** From an address of its own: whoever sends many wrong signatures waits. */
function exchange(port: number, text: string, localAddress: string): Promise<string> {
  return new Promise((resolve) => {
    let answer = ''
    const socket = connect({ port, host: '127.0.0.1', localAddress }, () => socket.end(Buffer.from(text, 'latin1')))
    socket.on('data', (piece) => (answer += piece.toString('latin1')))
    socket.on('error', () => {}).on('close', () => resolve(answer))
  })
}

test('mutated requests are never a failure of the node, and change nothing', { skip: platform() !== 'linux' }, async () => {
  await using server = await startObjectServer()
  const { port } = server
  assert.equal((await server.request('PUT', '/kept')).status, 200)
  assert.equal((await server.request('PUT', '/kept/a/b', { body: CONTENT })).status, 200)
  const seed = 20_261_121
  const random = new SeededRandom(seed)
  let refused = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    const [method, target, body] = [
      ['PUT', '/kept/a/b', CONTENT],
      ['POST', '/kept?delete', DELETE_DOCUMENT],
      ['GET', '/kept?list-type=2&prefix=a%2F&max-keys=7', ''],
      ['DELETE', '/kept/absent', ''],
    ][round % 4] as [string, string, string]
    const text = mutate(recorded(port, method, target, body), random)
    const answer = await exchange(port, text, `127.0.${1 + (round >> 8)}.${1 + (round % 254)}`)
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1] ?? 0)
    assert.ok(status < 500 || status === 501, `seed ${seed}, round ${round}: ${status} for ${JSON.stringify(text)}\n${answer}`)
    if (status >= 400) refused += 1
  }
  assert.ok(refused > ROUNDS / 2, `${refused} of ${ROUNDS} were refused`)
  const listed = await server.request('GET', '/kept?list-type=2')
  assert.deepEqual(
    [...listed.text.matchAll(/<Key>(.*?)<\/Key>/g)].map(([, key]) => key),
    ['a/b'],
  )
  assert.equal((await server.request('GET', '/kept/a/b')).text, CONTENT)
  assert.deepEqual(
    (await server.volumes.list()).map(({ name }) => name),
    ['kept'],
  )
})
