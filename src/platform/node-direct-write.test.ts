import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import * as fs from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { nodeDigests } from './node-digests.ts'
import { writeDirectly } from './node-direct-write.ts'
import { nodeSyncFiles } from './node-sync-files.ts'
import { publishThrough } from './publish.ts'

const MIB = 1024 * 1024
let folder: string
let hasDirectWrites = false

before(async () => {
  // On the disk of the checkout: the folder for temporary files is often in memory.
  folder = await mkdtemp(join(process.cwd(), 'node_modules', '.direct-'))
  try {
    const { O_CREAT, O_DIRECT, O_RDWR } = fs.constants
    fs.closeSync(fs.openSync(join(folder, 'probe'), O_CREAT | O_DIRECT | O_RDWR))
    hasDirectWrites = process.platform === 'linux'
  } catch {
    // Then all of it goes the other way, which is tested as well.
  }
})
after(() => rm(folder, { recursive: true, force: true }))

function filled(length: number): Buffer {
  const bytes = nodeDigests.allocate(length)
  randomBytes(length).copy(bytes)
  return bytes
}

describe('a file that is written past the page cache', () => {
  for (const length of [1, 4_096, MIB - 1, MIB, MIB + 1, 5 * MIB, 8 * MIB - 4_095, 8 * MIB]) {
    test(`of ${length} bytes and what follows them has exactly these`, async () => {
      const bytes = filled(length)
      const trailer = randomBytes(100)
      const path = join(folder, String(length))
      await publishThrough(nodeSyncFiles, path, [bytes, trailer])
      assert.ok((await readFile(path)).equals(Buffer.concat([bytes, trailer])))
    })
  }

  test('also behind something short, from memory that begins nowhere in particular, and where there is no such way', async () => {
    const bytes = filled(3 * MIB)
    for (const [name, pieces] of [
      ['behind', [randomBytes(10), bytes]],
      ['within', [bytes.subarray(1, 2 * MIB)]],
      ['ordinary', [randomBytes(2 * MIB)]],
    ] as const) {
      const path = join(folder, name)
      await publishThrough(nodeSyncFiles, path, pieces)
      assert.ok((await readFile(path)).equals(Buffer.concat(pieces)), name)
    }
    if (process.platform === 'linux')
      await publishThrough(nodeSyncFiles, '/dev/shm/.shoal-direct', [bytes]).then(() => fs.rmSync('/dev/shm/.shoal-direct'))
  })
})

test('large pieces go past the page cache, short ones and unfit memory do not', (t) => {
  if (!hasDirectWrites) return t.skip('the file system has no direct writes')
  const path = join(folder, 'which')
  fs.writeFileSync(path, '')
  const bytes = filled(2 * MIB + 10)
  assert.equal(writeDirectly(path, bytes, 0), 2 * MIB)
  assert.equal(writeDirectly(path, bytes, 4_096), 2 * MIB)
  assert.equal(writeDirectly(path, bytes, 512), 0)
  assert.equal(writeDirectly(path, bytes.subarray(0, MIB - 1), 0), 0)
  assert.equal(writeDirectly(path, bytes.subarray(16), 0), 0)
  assert.equal(writeDirectly(path, Buffer.alloc(2 * MIB), 0), 0)
})

test('an error of the disk comes out', (t) => {
  if (!hasDirectWrites) return t.skip('the file system has no direct writes')
  assert.throws(() => writeDirectly(join(folder, 'none'), filled(MIB), 0), { code: 'ENOENT' })
})
