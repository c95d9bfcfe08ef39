import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { systemErrorCode } from './files.ts'
import { nodeDigests } from './node-digests.ts'
import { nodeFiles } from './node-files.ts'
import { sharedBytes } from './node-worker-jobs.ts'
import { WorkerPool } from './node-worker-pool.ts'

const SIZE = 3_000_000

async function folderFor(context: TestContext): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'shoal-workers-'))
  context.after(() => rm(root, { recursive: true, force: true }))
  return root
}

function sharedRandom(sizeBytes: number): Buffer {
  const bytes = nodeDigests.allocate(sizeBytes)
  randomBytes(sizeBytes).copy(bytes)
  return bytes
}

test('large files of shared memory are published whole, many at once, with their time and mode', async (context) => {
  const root = await folderFor(context)
  const pieces = Array.from({ length: 20 }, () => [sharedRandom(SIZE), randomBytes(700)])
  await Promise.all(
    pieces.map((each, index) =>
      nodeFiles.publish(join(root, `${index}`), each, {
        temporaryPath: join(root, `t${index}`),
        modifiedMs: 1_600_000_000_123,
        mode: 0o600,
      }),
    ),
  )
  for (const [index, each] of pieces.entries())
    assert.deepEqual(await nodeFiles.read(join(root, `${index}`)), Buffer.concat(each))
  const { mtimeMs, mode } = await stat(join(root, '7'))
  assert.deepEqual([Math.round(mtimeMs), mode & 0o777], [1_600_000_000_123, 0o600])
  assert.equal((await readdir(root)).length, pieces.length)
})

test('a publication that fails in its thread answers with the code of the system and leaves nothing', async (context) => {
  const root = await folderFor(context)
  const bytes = sharedRandom(SIZE)
  const fails = (code: string, path: string, temporaryPath: string) =>
    assert.rejects(nodeFiles.publish(path, [bytes], { temporaryPath }), (error) => systemErrorCode(error) === code)
  await fails('ENOENT', join(root, 'a'), join(root, 'none', 't'))
  await fails('ENOENT', join(root, 'none', 'a'), join(root, 't'))
  assert.deepEqual(await readdir(root), [])
})

test('a thread that ends for want of work is given none: what comes while it does goes to another one', async () => {
  const pool = new WorkerPool({ idleMs: 20 })
  const bytes = sharedBytes(sharedRandom(1_000))
  assert.ok(bytes !== undefined)
  const digest = await pool.run({ kind: 'sha256', bytes })
  // The process was held up, and both times have come: that of the thread, and then that of the next piece of work.
  const next = new Promise<Uint8Array | undefined>((resolve, reject) => {
    setTimeout(() => void pool.run({ kind: 'sha256', bytes }).then(resolve, reject), 25)
  })
  for (const endMs = performance.now() + 60; performance.now() < endMs;);
  assert.deepEqual(await next, digest)
})
