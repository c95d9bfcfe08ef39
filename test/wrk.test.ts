// What the light client sends, and what is made of what it tells.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ROOT } from '#access/principal.ts'
import { authenticate } from '#gateway/s3/auth/authenticate.ts'
import { SigningKeys } from '#gateway/s3/auth/signing-keys.ts'
import { S3Query } from '#gateway/s3/s3-query.ts'
import { shareOf } from '../tools/peers/run-wrk.ts'
import { ACCESS_KEY, SECRET_KEY } from '../tools/peers/server.ts'
import { messageOf, signHeaders } from '../tools/peers/signed-requests.ts'
import { failuresOf, latencyMs, parseWrk, runWrk, writeMessages, type WrkRun } from '../tools/peers/wrk.ts'

/** A run of wrk for a second, over two connections, against a server that answers so. */
async function wrkAgainst(
  answer: (request: IncomingMessage, body: string, response: ServerResponse) => void,
  messages: string[],
) {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-wrk-test-'))
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', (piece: Buffer) => (body += piece.toString()))
    request.on('end', () => answer(request, body, response))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  try {
    const file = join(folder, 'messages')
    await writeMessages(file, messages)
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return await runWrk({ wrk: 'wrk', url, messages: file, connections: 2, seconds: 1 })
  } finally {
    server.closeAllConnections()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

test('each message goes out as it is, in turn, again and again', async () => {
  const seen = new Map<string, number>()
  const bodies = ['', 'a\nb\r\n7\n', 'ü'.repeat(40)]
  const messages = bodies.map(
    (body, at) => `PUT /${at}?q=%20 HTTP/1.1\r\nHost: h\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  const beganMs = Date.now()
  const { answers, refused, broken, late, seconds, endMs, cpuSeconds, bytes } = await wrkAgainst((request, body, response) => {
    const what = `${request.method} ${request.url} ${body}`
    seen.set(what, (seen.get(what) ?? 0) + 1)
    response.end('x'.repeat(1_000))
  }, messages)
  assert.deepEqual(
    [...seen.keys()].toSorted(),
    bodies.map((body, at) => `PUT /${at}?q=%20 ${body}`),
  )
  const counts = [...seen.values()]
  assert.ok(Math.max(...counts) - Math.min(...counts) <= 1, `${counts.join(', ')} of each`)
  const sent = counts.reduce((sum, count) => sum + count, 0)
  // Those that were under way in the end aren't told.
  assert.ok(answers <= sent && answers >= sent - 2, `${answers} of ${sent}`)
  assert.ok(bytes > answers * 1_000)
  assert.deepEqual([refused, broken, late], [0, 0, 0])
  assert.ok(seconds > 0.9 && endMs >= beganMs + 900 && endMs <= Date.now())
  assert.ok(cpuSeconds > 0 && cpuSeconds < 1.1)
})

test('answers of 400 and more, and connections that break, are told apart from those that succeeded', async () => {
  let at = 0
  const { answers, refused, broken } = await wrkAgainst(
    (_request, _body, response) => {
      at += 1
      if (at % 10 === 0) response.destroy()
      else response.writeHead(at % 2 === 0 ? 403 : 200).end()
    },
    ['GET / HTTP/1.1\r\nHost: h\r\n\r\n'],
  )
  assert.ok(Math.abs(refused - (answers * 4) / 9) <= 2, `${refused} of ${answers}`)
  assert.ok(Math.abs(broken - answers / 9) <= 2, `${broken} of ${answers}`)
})

test('latencies of several runs are weighed by their answers', () => {
  const runOf = (answers: number, ...quantilesUs: number[]) => ({ answers, quantilesUs }) as unknown as WrkRun
  const runs = [runOf(300, 1_000, 2_000, 9_000), runOf(100, 4_000, 20_000)]
  assert.deepEqual(
    [0.25, 0.5, 0.6, 0.85, 1].map((share) => latencyMs(runs, share)),
    [1, 2, 4, 9, 20],
  )
})

test('what does not tell of a run is refused with its last words', () => {
  assert.throws(() => parseWrk('Running 1s test\nunable to connect to 127.0.0.1:1 Connection refused\n'), /unable to connect/)
})

test('failures are told only where there are some', () => {
  assert.equal(failuresOf({ refused: 0, broken: 0, late: 0 }), undefined)
  assert.match(failuresOf({ refused: 0, broken: 2, late: 0 }) ?? '', /2 connections/)
})

test('a presigned address is asked for as it was signed', () => {
  const url = 'http://127.0.0.1:9/b/a%2Fb?X-Amz-Credential=k%2Fs3&X-Amz-Signature=1'
  assert.equal(
    messageOf({ method: 'GET', url, headers: {}, body: '' }),
    'GET /b/a%2Fb?X-Amz-Credential=k%2Fs3&X-Amz-Signature=1 HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n',
  )
  assert.match(
    messageOf({ method: 'PUT', url, headers: { A: 'b' }, body: 'yyy' }),
    /^PUT .*\r\nHost: 127\.0\.0\.1:9\r\nA: b\r\nContent-Length: 3\r\n\r\nyyy$/s,
  )
})

test('headers that were signed before are good for what they were signed for', () => {
  const key = { accessKey: ACCESS_KEY, secretKey: SECRET_KEY, principal: ROOT }
  const now = new Date('2026-11-27T16:00:00.500Z')
  const host = '127.0.0.1:9'
  const check = (path: string) => {
    const headers = { Host: host, ...signHeaders({ method: 'PUT', host, path: '/b/a/1', body: 'yyy', now }) }
    const lowerCase = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
    const request = { method: 'PUT', path, query: '', rawHeaders: Object.entries(headers).flat() }
    return authenticate(
      { ...request, headers: lowerCase, parameters: S3Query.NONE },
      { find: (name) => (name === ACCESS_KEY ? key : undefined), keys: new SigningKeys(), nowMs: now.getTime() },
    )
  }
  assert.equal(check('/b/a/1').principal, ROOT)
  assert.throws(() => check('/b/a/2'), /does not match/)
})

test('doors share the connections, none more than one ahead of another', () => {
  assert.deepEqual(
    [0, 1, 2].map((at) => shareOf(64, at, 3)),
    [22, 21, 21],
  )
  assert.equal(shareOf(16, 0, 1), 16)
})
