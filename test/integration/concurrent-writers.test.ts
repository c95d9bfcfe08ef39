import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { RestFiles } from '../crash/rest-files.ts'
import { freePort, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'
import { exchange, request } from './raw-http.ts'
import type { RawAnswer } from './raw-http.ts'

const ROUNDS = 8
const MIB = 1024 * 1024

let data: string
let port: number
let node: NodeProcess
let rest: RestFiles

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'shoal-writers-'))
  port = await freePort()
  node = await startNodeProcess({ data, port })
  rest = new RestFiles(node.origin)
  await rest.expect('PUT', '/volumes/docs', { chunkSizeBytes: MIB })
})
after(async () => {
  await rest.close()
  assert.equal(await node.stop(), 0)
  await rm(data, { recursive: true, force: true })
})

/** Sends the body in halves, so that writers that begin together are in the middle of their bodies together. */
async function put(path: string, body: Buffer, headers: Record<string, string> = {}): Promise<RawAnswer> {
  const target = `/api/v1/volumes/docs/files/${path}`
  const bytes = request('PUT', target, { body, headers })
  const half = bytes.length - Math.floor(body.length / 2)
  const [answer] = await exchange(port, [bytes.subarray(0, half), 20 + Math.random() * 20, bytes.subarray(half)])
  assert.ok(answer !== undefined, 'no answer')
  return answer
}

const sizes = [10, 4_096, 100_000, 3 * MIB + 7]

for (const size of sizes) {
  test(`of writers of ${size} bytes on one path each is acknowledged, and one's whole content stays`, async () => {
    for (let round = 0; round < ROUNDS; round += 1) {
      const path = `same/${size}`
      const bodies = [randomBytes(size), randomBytes(size + 1), randomBytes(Math.max(1, size - 1))]
      const answers = await Promise.all(bodies.map((body) => put(path, body)))
      for (const { status } of answers) assert.ok(status === 200 || status === 201, `answered ${status}`)
      assert.ok(answers.filter(({ status }) => status === 201).length <= 1, 'a file was made twice')
      const { body, status } = await rest.call('GET', `/volumes/docs/files/${path}`)
      assert.equal(status, 200)
      const winner = bodies.findIndex((sent) => sent.equals(body))
      assert.ok(winner >= 0, `${body.length} bytes that nobody wrote`)
      const entry = JSON.parse((await rest.expect('GET', `/volumes/docs/attributes/${path}`)).toString()) as { etag: string }
      assert.equal(answers[winner]?.headers.get('etag'), entry.etag)
    }
  })
}

test('of writers that insist on a new file exactly one makes it', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const path = `new/${round}`
    const bodies = Array.from({ length: 4 }, () => randomBytes(70_000))
    const answers = await Promise.all(bodies.map((body) => put(path, body, { 'If-None-Match': '*' })))
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted((a, b) => a - b),
      [201, 412, 412, 412],
    )
    const winner = answers.findIndex(({ status }) => status === 201)
    assert.deepEqual(await rest.expect('GET', `/volumes/docs/files/${path}`), bodies[winner])
  }
})

test('of writers that replace what they have read exactly one does', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const etag = (await put('read', randomBytes(10))).headers.get('etag') as string
    const answers = await Promise.all(Array.from({ length: 4 }, () => put('read', randomBytes(70_000), { 'If-Match': etag })))
    assert.deepEqual(
      answers.map(({ status }) => status).toSorted((a, b) => a - b),
      [200, 412, 412, 412],
    )
  }
})

test('a write at an offset meets the whole of what another writer puts there, before or after', async () => {
  for (let round = 0; round < ROUNDS; round += 1) {
    const [before, whole, patch] = [randomBytes(200_000), randomBytes(200_000), randomBytes(1_000)] as const
    await rest.expect('PUT', '/volumes/docs/files/patched', before)
    await Promise.all([put('patched', whole), rest.expect('PATCH', '/volumes/docs/files/patched?offset=150000', patch)])
    const read = await rest.expect('GET', '/volumes/docs/files/patched')
    const patched = Buffer.from(whole)
    patch.copy(patched, 150_000)
    assert.ok(read.equals(whole) || read.equals(patched))
  }
})

test('an upload that is finished twice at once becomes one file', async () => {
  const { id } = JSON.parse((await rest.expect('POST', '/volumes/docs/uploads', { path: 'once' })).toString()) as { id: string }
  const part = randomBytes(2 * MIB)
  await rest.expect('PUT', `/volumes/docs/uploads/${id}/parts/1`, part)
  const commits = await Promise.all([1, 2, 3].map(() => rest.call('POST', `/volumes/docs/uploads/${id}/commit`, {})))
  assert.equal(commits.filter(({ status }) => status === 201).length, 1)
  for (const { status } of commits) assert.ok([201, 404, 409].includes(status), `answered ${status}`)
  assert.deepEqual(await rest.expect('GET', '/volumes/docs/files/once'), part)
})

test('names that many writers make and remove at once end in what was acknowledged last, and the counts are right', async () => {
  const paths = ['busy/a', 'busy/b', 'busy/c']
  await Promise.all(
    Array.from({ length: 6 }, async (_, writer) => {
      for (let turn = 0; turn < 15; turn += 1) {
        const path = paths[(writer + turn) % paths.length] as string
        const answer =
          turn % 3 === 2
            ? await rest.call('DELETE', `/volumes/docs/files/${path}`)
            : await rest.call('PUT', `/volumes/docs/files/${path}`, randomBytes(100 * (turn + 1)))
        assert.ok([200, 201, 204, 404].includes(answer.status), `answered ${answer.status}`)
      }
    }),
  )
  const { clean, lines } = await rest.fsck(true)
  assert.ok(clean, lines.join('\n'))
})
