// Changes files of the folder it is started in at random, and compares them with what they should be: in the manner of fsx.
// Arguments: seed, steps. It prints the seed and the step where something is wrong.
import assert from 'node:assert/strict'
import * as fs from 'node:fs'
import { SeededRandom } from '#platform/seeded-random.ts'

const FILE_BYTES_MAX = 300_000
const [seed, steps] = process.argv.slice(2).map(Number) as [number, number]
const random = new SeededRandom(seed)
const below = (limit: number): number => Math.floor(random.fraction() * limit)
let model = Buffer.alloc(0)
fs.writeFileSync('file', '')

const OPERATIONS = {
  write(): void {
    const offset = below(FILE_BYTES_MAX)
    const bytes = Buffer.alloc(1 + below(70_000), below(256))
    withFile('r+', (fd) => fs.writeSync(fd, bytes, 0, bytes.length, offset))
    put(offset, bytes)
  },
  append(): void {
    const bytes = Buffer.alloc(1 + below(5000), below(256))
    fs.appendFileSync('file', bytes)
    put(model.length, bytes)
  },
  truncate(): void {
    const size = below(FILE_BYTES_MAX)
    fs.truncateSync('file', size)
    model = Buffer.concat([model.subarray(0, size), Buffer.alloc(Math.max(0, size - model.length))])
  },
  replace(): void {
    model = Buffer.alloc(below(FILE_BYTES_MAX), below(256))
    fs.writeFileSync('file', model)
  },
  rename(): void {
    fs.writeFileSync('other', model)
    fs.renameSync('other', 'file')
  },
  copy(): void {
    fs.copyFileSync('file', 'copy')
    assert.ok(fs.readFileSync('copy').equals(model), 'the copy')
    fs.unlinkSync('copy')
  },
  unlinkOpen(): void {
    withFile('r+', (fd) => {
      fs.unlinkSync('file')
      const bytes = Buffer.alloc(1 + below(5000), below(256))
      fs.writeSync(fd, bytes, 0, bytes.length, model.length)
      put(model.length, bytes)
      assert.ok(readAll(fd).equals(model), 'the removed file')
    })
    fs.writeFileSync('file', model)
  },
  read(): void {
    const offset = below(FILE_BYTES_MAX)
    const bytes = Buffer.alloc(below(70_000))
    const length = withFile('r', (fd) => fs.readSync(fd, bytes, 0, bytes.length, offset))
    assert.ok(bytes.subarray(0, length).equals(model.subarray(offset, offset + bytes.length)), 'a range')
  },
}

const names = Object.keys(OPERATIONS) as (keyof typeof OPERATIONS)[]
for (let step = 0; step < steps; step += 1) {
  const name = names[below(names.length)] as keyof typeof OPERATIONS
  try {
    OPERATIONS[name]()
    assert.equal(fs.statSync('file').size, model.length, 'the size')
    assert.ok(fs.readFileSync('file').equals(model), 'the contents')
  } catch (cause) {
    throw new Error(`Seed ${seed}, step ${step}, ${name}`, { cause })
  }
}
fs.unlinkSync('file')

function withFile<T>(flags: string, use: (fd: number) => T): T {
  const fd = fs.openSync('file', flags)
  try {
    return use(fd)
  } finally {
    fs.closeSync(fd)
  }
}

function readAll(fd: number): Buffer {
  const bytes = Buffer.alloc(fs.fstatSync(fd).size)
  const length = fs.readSync(fd, bytes, 0, bytes.length, 0)
  return bytes.subarray(0, length)
}

function put(offset: number, bytes: Buffer): void {
  const grown = Buffer.alloc(Math.max(model.length, offset + bytes.length))
  grown.set(model)
  grown.set(bytes, offset)
  model = grown
}
