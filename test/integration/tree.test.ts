import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { RestFiles } from '../crash/rest-files.ts'
import { freePort, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'
import { Cli } from './cli-process.ts'
import { compareTrees } from './compare-trees.ts'
import { buildOddTree, EDGE_SIZES, MIB, writeRandom } from './odd-tree.ts'

let folder: string
let node: NodeProcess
let rest: RestFiles
let cli: Cli

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-tree-'))
  mkdirSync(join(folder, 'home'))
  node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
  rest = new RestFiles(node.origin)
  cli = new Cli(node.origin, join(folder, 'home'))
  await cli.run('volume', 'create', 'docs')
})
after(async () => {
  await rest.close()
  await node.kill()
  // Deeper than a path can say, which rm of Node.js takes for an error.
  await promisify(execFile)('rm', ['-rf', folder])
})

const at = (...names: string[]): string => join(folder, ...names)

function assertSame(a: string, b: string): void {
  const { differences, count } = compareTrees(a, b)
  assert.deepEqual(differences.slice(0, 20), [])
  assert.ok(count.files > 0)
}

/** Every byte of a path percent-encoded. */
function encoded(...names: readonly Buffer[]): string {
  return names.map((name) => name.toString('hex').replaceAll(/../g, '%$&')).join('%2F')
}

test('a tree with every kind of size, name, link, mode, time and depth comes back as it went', async () => {
  buildOddTree(at('odd'), EDGE_SIZES)
  await cli.run('cp', '-r', at('odd'), 'docs:/')
  await cli.run('cp', '-r', 'docs:/odd', at('back'))
  const { differences, count } = compareTrees(at('odd'), at('back'))
  assert.deepEqual(differences.slice(0, 20), [])
  assert.ok(count.files > 330 && count.directories > 1_300 && count.links >= 10, JSON.stringify(count))
  assert.ok((await rest.fsck()).clean)
})

test('what went in by the command line comes out byte for byte over HTTP', async () => {
  for (const size of EDGE_SIZES) {
    const local = readFileSync(at('odd', 'sizes', String(size)))
    assert.ok((await rest.expect('GET', `/volumes/docs/files/odd/sizes/${size}`)).equals(local), `${size} bytes`)
  }
  const names = readdirSync(at('odd', 'names'), { encoding: 'buffer' }).filter((name) => name.toString() !== 'directories')
  for (const name of names) {
    const read = await rest.expect('GET', `/volumes/docs/files/${encoded(Buffer.from('odd'), Buffer.from('names'), name)}`)
    assert.ok(read.equals(name), name.toString('hex'))
  }
})

test('a copy that is made again with --update sends nothing, and with --verify reads both sides', async () => {
  const again = JSON.parse(await cli.run('cp', '-r', '--update', '--json', at('odd'), 'docs:/')) as {
    files: number
    skipped: number
  }
  assert.equal(again.files, 0)
  assert.ok(again.skipped > 330)
  mkdirSync(at('few'))
  for (const size of [0, 4096, 4097, 300_000, 9 * MIB]) writeRandom(at('few', String(size)), size)
  await cli.run('cp', '-r', '--verify', at('few'), 'docs:/')
  await cli.run('cp', '-r', '--verify', 'docs:/few', at('few-back'))
  assertSame(at('few'), at('few-back'))
})

test('a canary: a byte, a mode, a time, a name or a link that differs is noticed', async () => {
  await cli.run('cp', '-r', 'docs:/few', at('canary'))
  writeFileSync(at('canary', '4096'), Buffer.alloc(4096))
  writeFileSync(at('canary', 'more'), '')
  const { differences } = compareTrees(at('few'), at('canary'))
  assert.ok(differences.some((line) => line.includes('/4096 has other contents')))
  assert.ok(differences.some((line) => line.includes('/4096 was changed at')))
  assert.ok(differences.some((line) => line.includes('/more is only in the second')))
})

interface Status {
  readonly usage: { readonly files: number }
  readonly chunks: { readonly chunks: number }
  readonly uploads: number
}

async function status(): Promise<Status> {
  return JSON.parse((await rest.expect('GET', '/status')).toString()) as Status
}

/** Starts the command line, and kills it as soon as the node's status shows that it is at work. */
async function killWhen(isAtWork: (before: Status, now: Status) => boolean, ...args: string[]): Promise<void> {
  const before = await status()
  const { child, ended } = cli.start(...args)
  while (child.exitCode === null && !isAtWork(before, await status())) await delay(2)
  child.kill('SIGKILL')
  assert.equal((await ended).signal, 'SIGKILL', 'the copy was over before it could be interrupted')
}

for (const [size, how] of [
  [64 * MIB, 'at once'],
  [240 * MIB, 'in parts'],
] as const) {
  test(`a copy of ${size / MIB} MiB ${how} that is killed shows nothing of the file, and made again it is complete`, async () => {
    const name = `large-${size}`
    writeRandom(at(name), size)
    for (let round = 0; round < 2; round += 1) {
      await killWhen((before, { chunks }) => chunks.chunks > before.chunks.chunks + round, 'cp', at(name), 'docs:/')
      assert.ok(!(await rest.listAll('docs')).some(({ path }) => path === name))
    }
    await cli.run('cp', at(name), 'docs:/')
    assert.equal((await status()).uploads, 0)
    await cli.run('cp', `docs:/${name}`, at(`${name}-back`))
    assert.ok(readFileSync(at(name)).equals(readFileSync(at(`${name}-back`))))
  })
}

test('a copy of a tree that is killed shows whole files only, and goes on with --update', async () => {
  mkdirSync(at('tree'))
  for (let index = 0; index < 40; index += 1) {
    mkdirSync(at('tree', `directory${index}`))
    for (let file = 0; file < 40; file += 1) {
      writeFileSync(at('tree', `directory${index}`, `file${file}`), randomBytes(file % 10 === 0 ? 200_000 : 3 * file * index))
    }
  }
  for (const files of [1, 300]) {
    await killWhen(({ usage }, now) => now.usage.files >= usage.files + files, 'cp', '-r', '--update', at('tree'), 'docs:/')
    for (const { path, type } of await rest.listAll('docs')) {
      if (type !== 'file' || !path.startsWith('tree/')) continue
      assert.ok((await rest.expect('GET', `/volumes/docs/files/${path}`)).equals(readFileSync(at(path))), path)
    }
  }
  await cli.run('cp', '-r', '--update', at('tree'), 'docs:/')
  await cli.run('cp', '-r', 'docs:/tree', at('tree-back'))
  assertSame(at('tree'), at('tree-back'))
})

test('a copy back that is killed leaves whole files only under their names, and goes on with --update', async () => {
  const { child, ended } = cli.start('cp', '-r', 'docs:/tree', at('killed'))
  while (child.exitCode === null && filesIn(at('killed')).length < 200) await delay(2)
  child.kill('SIGKILL')
  assert.equal((await ended).signal, 'SIGKILL', 'the copy was over before it could be interrupted')
  const copied = filesIn(at('killed')).filter((path) => existsSync(at('tree', path)))
  assert.ok(copied.length > 0)
  for (const path of copied) assert.ok(readFileSync(at('killed', path)).equals(readFileSync(at('tree', path))), path)
  await cli.run('cp', '-r', '--update', 'docs:/tree/.', at('killed'))
  // What was on its way when it was killed stays behind under a name that is nobody's.
  for (const path of filesIn(at('killed')).filter((name) => /(^|\/)\.shoal-[0-9a-f]+-\d+\.part$/.test(name)))
    rmSync(at('killed', path))
  await cli.run('cp', '-r', '--update', 'docs:/tree/.', at('killed'))
  assertSame(at('tree'), at('killed'))
})

function filesIn(directory: string): string[] {
  if (!existsSync(directory)) return []
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(directory, join(entry.parentPath, entry.name)))
}
