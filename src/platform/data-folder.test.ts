import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { ErrorCode } from '#foundation/errors.ts'
import { openDataFolder } from './data-folder.ts'
import type { DataFolder } from './data-folder.ts'
import { MemoryFiles } from './memory-files.ts'
import { nodeFiles } from './node-files.ts'
import { nodeRandom } from './node-random.ts'
import { SeededRandom } from './seeded-random.ts'

async function newPath(context: TestContext): Promise<string> {
  const parent = await mkdtemp(join(tmpdir(), 'shoal-data-'))
  context.after(() => rm(parent, { recursive: true, force: true }))
  return join(parent, 'some', 'data')
}

function open(path: string): Promise<DataFolder> {
  return openDataFolder(path, { files: nodeFiles, random: nodeRandom, version: '0.1.0' })
}

async function refused(code: ErrorCode, says: RegExp, promise: Promise<unknown>): Promise<void> {
  await assert.rejects(promise, (error) => {
    assert.ok(isShoalError(error, code), String(error))
    assert.match(error.message, says)
    return true
  })
}

test('a new folder is private, has ids of its own, and keeps them', async (context) => {
  const path = await newPath(context)
  const first = await open(path)
  assert.equal((await stat(path)).mode & 0o777, 0o700)
  assert.match(first.nodeId, /^[0-9a-f]{32}$/)
  assert.notEqual(first.nodeId, first.clusterId)
  await first.close()
  await first.close()
  const second = await open(path)
  assert.deepEqual(
    { nodeId: second.nodeId, clusterId: second.clusterId, format: second.format, path: second.path },
    { nodeId: first.nodeId, clusterId: first.clusterId, format: 5, path },
  )
  const format: unknown = JSON.parse(await readFile(join(path, 'format.json'), 'utf8'))
  assert.deepEqual(format, { format: 5, createdBy: '0.1.0', clusterId: first.clusterId, nodeId: first.nodeId })
  await second.close()
})

test('a folder in use is refused within the process, naming folder and process', async (context) => {
  const path = await newPath(context)
  const first = await open(path)
  await refused('DATA_IN_USE', new RegExp(`"${path}" is in use by process ${process.pid} on "`), open(path))
  await first.close()
  await (await open(path)).close()
})

test('a folder in use by another process is refused until that process dies, even by SIGKILL', async (context) => {
  const path = await newPath(context)
  const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href)
  const program = `
    const { openDataFolder } = await import(${module('./data-folder.ts')})
    const { nodeFiles } = await import(${module('./node-files.ts')})
    const { nodeRandom } = await import(${module('./node-random.ts')})
    globalThis.kept = await openDataFolder(${JSON.stringify(path)}, { files: nodeFiles, random: nodeRandom, version: '0.1.0' })
    console.log('open')
    setInterval(() => globalThis.kept, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  await refused('DATA_IN_USE', new RegExp(`process ${child.pid} `), open(path))
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await open(path)).close()
})

test('a newer format is refused, and the message says what to do', async (context) => {
  const path = await newPath(context)
  await (await open(path)).close()
  await writeFile(join(path, 'format.json'), '{"format":6}')
  await refused('DATA_FORMAT', /has format 6.*formats up to 5.*newer version/, open(path))
  await writeFile(join(path, 'format.json'), '{"format":1,"clusterId":"x"}')
  await refused('DATA_FORMAT', /damaged/, open(path))
  await writeFile(join(path, 'format.json'), 'nonsense')
  await refused('DATA_FORMAT', /damaged/, open(path))
})

test('a folder of an older format keeps its ids, and says that older versions can no longer read it', async (context) => {
  const path = await newPath(context)
  await (await open(path)).close()
  const before = JSON.parse(await readFile(join(path, 'format.json'), 'utf8')) as object
  await writeFile(join(path, 'format.json'), JSON.stringify({ ...before, format: 1 }))
  await (await open(path)).close()
  assert.deepEqual(JSON.parse(await readFile(join(path, 'format.json'), 'utf8')), before)
})

test("a folder with someone else's files is refused and left alone", async (context) => {
  const path = await newPath(context)
  await mkdir(path, { recursive: true })
  await writeFile(join(path, 'thesis.tex'), 'precious')
  await refused('DATA_FORMAT', /not a data folder.*"thesis.tex"/, open(path))
  assert.deepEqual(await readdir(path), ['thesis.tex'])
  await refused('DATA_FORMAT', /is a file/, open(join(path, 'thesis.tex')))
})

test('a configuration that is there before the first start is no obstacle', async (context) => {
  const path = await newPath(context)
  await mkdir(path, { recursive: true })
  await writeFile(join(path, 'shoal.yaml'), 'port: 8400\n')
  const folder = await open(path)
  await folder.close()
  assert.deepEqual((await readdir(path)).toSorted(), ['format.json', 'lock', 'shoal.yaml'])
})

test('cut off at any step of the first start, the next start succeeds; ids once given stay', async () => {
  let completed = 0
  for (let seed = 1; seed <= 100; seed += 1) {
    const files = new MemoryFiles({ seed })
    const start = (): Promise<DataFolder> =>
      openDataFolder('/var/shoal', { files, random: new SeededRandom(seed), version: '0.1.0' })
    files.cutPowerAfter(seed % 14)
    const first = await start().catch(() => undefined)
    files.crash()
    const second = await openDataFolder('/var/shoal', { files, random: new SeededRandom(-seed), version: '0.1.0' })
    if (first !== undefined) {
      assert.equal(second.nodeId, first.nodeId)
      completed += 1
    }
  }
  assert.ok(completed > 0 && completed < 100, `${completed} of 100 first starts were completed`)
})
