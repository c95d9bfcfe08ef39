import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { RestFiles } from '../crash/rest-files.ts'
import type { Answer } from '../crash/rest-files.ts'
import { freePort, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'

const run = promisify(execFile)
const MIB = 1024 * 1024
const DISK_BYTES = 64 * MIB
const FILES = '/volumes/docs/files'
const SIZES = [100, 3_000, 20_000, 200_000, 700_000, 2 * MIB + 1]
/** Garbage is collected at once, so that room that was made can be seen. */
const ENVIRONMENT = { SHOAL_GC_GRACE_MS: '0ms', SHOAL_GC_INTERVAL_MS: '1s' }
const ROOM_WITHIN_MS = 30_000

let disk: string
let isMounted = false
let port: number
let node: NodeProcess
let rest: RestFiles
/** What was acknowledged, and not removed since. */
const kept = new Map<string, Buffer>()

before(async () => {
  disk = await mkdtemp(join(tmpdir(), 'shoal-full-disk-'))
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk])
    isMounted = true
  } catch {
    return
  }
  port = await freePort()
  await start()
  await rest.expect('PUT', '/volumes/docs', { chunkSizeBytes: MIB })
})
after(async () => {
  if (isMounted) {
    await rest.close()
    await node.kill()
    await run('umount', [disk])
  }
  await rm(disk, { recursive: true, force: true })
})

async function start(): Promise<void> {
  node = await startNodeProcess({ data: join(disk, 'data'), port, environment: ENVIRONMENT })
  rest = new RestFiles(node.origin)
}

function skipped(t: TestContext): boolean {
  if (!isMounted) t.skip('mounting a small file system needs rights that this user lacks')
  return !isMounted
}

const codeOf = ({ body }: Answer): string | undefined => (JSON.parse(body.toString()) as { code?: string }).code

function assertFull(answer: Answer): void {
  assert.deepEqual([answer.status, codeOf(answer)], [507, 'NO_SPACE'])
}

/** A file if there is room for it; whether there was. */
async function put(path: string, size: number): Promise<boolean> {
  const bytes = randomBytes(size)
  const answer = await rest.call('PUT', `${FILES}/${path}`, bytes)
  if (answer.status !== 201) assertFull(answer)
  else kept.set(path, bytes)
  return answer.status === 201
}

/** Writes files of all sizes, by four writers at once, until not even the smallest find room. */
async function fill(prefix: string): Promise<void> {
  await Promise.all(
    Array.from({ length: 4 }, async (_, writer) => {
      let largest = SIZES.length
      for (let turn = 0; largest > 0; turn += 1) {
        const choice = Math.floor(Math.random() * largest)
        if (!(await put(`${prefix}/${writer}/${turn}`, SIZES[choice] as number))) largest = choice
      }
    }),
  )
}

/** Exactly what was acknowledged is there, whole; the node takes requests; nothing is wrong with what it keeps. */
async function assertKept(): Promise<void> {
  const listed = (await rest.listAll('docs')).filter(({ type }) => type === 'file')
  assert.deepEqual(
    new Map(listed.map(({ path, size }) => [path, size])),
    new Map([...kept].map(([path, bytes]) => [path, bytes.length])),
  )
  for (const [path, bytes] of kept)
    assert.ok((await rest.expect('GET', `${FILES}/${path}`)).equals(bytes), `"${path}" is not what was acknowledged`)
  const response = await fetch(`${node.origin}/readyz`, { headers: { connection: 'close' } })
  assert.deepEqual([response.status, await response.json()], [200, { state: 'serving' }])
  const { clean, lines } = await rest.fsck(true)
  assert.ok(clean, lines.join('\n'))
}

/** Removes every second file, and waits until a file of 2 MiB finds room again, and all that was removed is collected. */
async function makeRoom(name: string): Promise<void> {
  for (const path of [...kept.keys()].filter((_, index) => index % 2 === 0)) {
    await rest.expect('DELETE', `${FILES}/${path}`)
    kept.delete(path)
  }
  const deadline = performance.now() + ROOM_WITHIN_MS
  while (!(await put(name, 2 * MIB))) {
    assert.ok(performance.now() < deadline, `there is no room within ${ROOM_WITHIN_MS} ms`)
    await delay(250)
  }
  while ((await garbageChunks()) > 0) {
    assert.ok(performance.now() < deadline, `the garbage is not collected within ${ROOM_WITHIN_MS} ms`)
    await delay(250)
  }
}

async function garbageChunks(): Promise<number> {
  const { garbage } = JSON.parse((await rest.expect('GET', '/status')).toString()) as { garbage: { chunks: number } }
  return garbage.chunks
}

describe('on a full disk', { concurrency: false }, () => {
  test('what was acknowledged stays, what was not is not to be seen, and reads go on', async (t) => {
    if (skipped(t)) return
    await fill('first')
    assert.ok(kept.size > 20, `only ${kept.size} files found room`)
    await assertKept()
  })

  test('a node stops in order, and starts again', async (t) => {
    if (skipped(t)) return
    await rest.close()
    assert.equal(await node.stop(), 0)
    await start()
    await assertKept()
  })

  test('a node killed while it refuses writes starts again with all that it had', async (t) => {
    if (skipped(t)) return
    let isDead = false
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let turn = 0; !isDead; turn += 1) {
        const path = `killed/${writer}/${turn}`
        try {
          await put(path, SIZES[turn % SIZES.length] as number)
        } catch (error) {
          if (!isDead) throw error
        }
      }
    })
    await delay(700)
    isDead = true
    await node.kill()
    await Promise.all(writers)
    await rest.close()
    await start()
    await forgiveUnanswered()
    await assertKept()
  })

  test('removing makes room, and writes are taken again', async (t) => {
    if (skipped(t)) return
    await rest.expect('DELETE', `${FILES}/first/0?recursive`)
    for (const path of [...kept.keys()].filter((name) => name.startsWith('first/0/'))) kept.delete(path)
    await makeRoom('again/0')
    await assertKept()
  })

  test('an upload that finds no room keeps the parts that it has, shows nothing, and gives its room back', async (t) => {
    if (skipped(t)) return
    const begun = await rest.expect('POST', '/volumes/docs/uploads', { path: 'uploaded' })
    const { id } = JSON.parse(begun.toString()) as { id: string }
    let number = 1
    let answer: Answer
    do {
      answer = await rest.call('PUT', `/volumes/docs/uploads/${id}/parts/${number}`, randomBytes(MIB))
      if (answer.status === 200) number += 1
    } while (answer.status === 200)
    assertFull(answer)
    const { parts } = JSON.parse((await rest.expect('GET', `/volumes/docs/uploads/${id}`)).toString()) as { parts: unknown[] }
    assert.equal(parts.length, number - 1)
    assert.ok(parts.length > 0)
    await assertKept()
    await rest.expect('DELETE', `/volumes/docs/uploads/${id}`)
    await makeRoom('again/1')
  })

  test('a batch says of each record whether it found room, and is right', async (t) => {
    if (skipped(t)) return
    const files = Array.from({ length: 240 }, (_, index) => ({
      path: `batch/${index}`,
      bytes: randomBytes(index % 4 === 0 ? 900_000 : 60_000),
    }))
    const records = files.flatMap(({ path, bytes }) => {
      const header = Buffer.from(JSON.stringify({ path, size: bytes.length }))
      const length = Buffer.alloc(4)
      length.writeUInt32BE(header.length)
      return [length, header, bytes]
    })
    const answer = await rest.expect('POST', '/volumes/docs/batch/', Buffer.concat(records))
    const lines = answer
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as { status: number; code?: string })
    assert.equal(lines.length, files.length)
    for (const [index, { status, code }] of lines.entries()) {
      const { path, bytes } = files[index] as (typeof files)[number]
      if (status === 201) kept.set(path, bytes)
      else assert.deepEqual([status, code], [507, 'NO_SPACE'])
    }
    assert.ok(
      lines.some(({ status }) => status === 201),
      'no record found room',
    )
    assert.ok(
      lines.some(({ status }) => status === 507),
      'all records found room',
    )
    await assertKept()
    await makeRoom('again/2')
    await assertKept()
  })

  test('that others have filled to the last byte, reads and removals go on, also after a restart', async (t) => {
    if (skipped(t)) return
    const hog = join(disk, 'hog')
    await fillWithAnother(hog)
    assert.equal(await put('refused', 10), false)
    const [first, second] = [...kept.keys()] as [string, string]
    await rest.expect('DELETE', `${FILES}/${first}`)
    kept.delete(first)
    await assertKept()
    await rest.close()
    assert.equal(await node.stop(), 0)
    await fillWithAnother(hog)
    await start()
    assert.equal(await put('refused', 10), false)
    await rest.expect('DELETE', `${FILES}/${second}`)
    kept.delete(second)
    await assertKept()
    await rm(hog)
    await delay(600)
    assert.ok(await put('taken', 10))
    await assertKept()
  })
})

/** Another program takes all the room that is left. */
async function fillWithAnother(path: string): Promise<void> {
  const file = await open(path, 'a')
  try {
    for (let size = MIB; size >= 1; size = Math.floor(size / 2)) {
      while ((await file.write(Buffer.alloc(size)).catch(() => ({ bytesWritten: 0 }))).bytesWritten === size);
    }
  } finally {
    await file.close()
  }
}

/** Writes that the kill left without an answer may have happened, each of them whole. */
async function forgiveUnanswered(): Promise<void> {
  for (const { path, type, size } of await rest.listAll('docs')) {
    if (type !== 'file' || kept.has(path)) continue
    assert.match(path, /^killed\//)
    const bytes = await rest.expect('GET', `${FILES}/${path}`)
    assert.equal(bytes.length, size)
    assert.ok(SIZES.includes(size))
    kept.set(path, bytes)
  }
}
