import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { lstatSync, mkdirSync, readdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { EXIT } from '../exit-code.ts'
import { copyFixture } from './copy-fixture.suite.ts'

const fixture = copyFixture()
const { copy, paths, stored, write } = fixture

/** A tree with what trees have: all sizes around the thresholds, links, empty directories, odd names and modes. */
function plantTree(): string {
  for (const size of [0, 1, 4096, 131_072, 131_073, 1_048_577]) write(`tree/sizes/${size}`, randomBytes(size))
  write('tree/run', '#!/bin/sh\n', 0o755)
  write('tree/private', 'x', 0o600)
  mkdirSync(join(fixture.root, 'tree/empty'))
  symlinkSync('run', join(fixture.root, 'tree/link'))
  symlinkSync('nowhere', join(fixture.root, 'tree/dangling'))
  for (let byte = 1; byte < 256; byte += 1) {
    if (byte !== 0x2f && byte !== 0x2e)
      writeFileSync(Buffer.concat([Buffer.from(join(fixture.root, 'tree/empty/')), Buffer.of(byte)]), Buffer.of(byte))
  }
  mkdirSync(join(fixture.root, 'tree/really-empty'), { mode: 0o750 })
  writeFileSync(Buffer.concat([Buffer.from(join(fixture.root, 'tree/')), Buffer.alloc(255, 0xff)]), 'long')
  utimesSync(join(fixture.root, 'tree/run'), 1_000_000_000.123456, 1_000_000_000.123456)
  utimesSync(join(fixture.root, 'tree/really-empty'), 1_000_000_000, 1_000_000_000)
  return join(fixture.root, 'tree')
}

function assertSame(a: string, b: string): void {
  execFileSync('diff', ['-r', '--no-dereference', a, b])
  for (const name of readdirSync(a, { encoding: 'buffer' })) {
    const [left, right] = [a, b].map((folder) => lstatSync(Buffer.concat([Buffer.from(`${folder}/`), name])))
    assert.ok(left !== undefined && right !== undefined)
    assert.equal(left.mode, right.mode, name.toString())
    if (!left.isSymbolicLink()) assert.ok(Math.abs(left.mtimeMs - right.mtimeMs) < 0.001, name.toString())
  }
}

describe('cp of a tree', () => {
  it('brings every byte, name, mode and time in and out again', async () => {
    const tree = plantTree()
    assert.equal((await copy('-r', tree, 'docs:/')).code, EXIT.ok)
    assert.ok(paths().every((path) => path === 'tree' || path.startsWith('tree/')))
    assert.equal(stored('tree/really-empty')?.mode, '0750')
    assert.equal(stored('tree/link')?.target, 'run')
    assert.equal((await copy('-r', 'docs:/tree', join(fixture.root, 'out'))).code, EXIT.ok)
    assertSame(tree, join(fixture.root, 'out'))
    assert.deepEqual(
      readdirSync(join(fixture.root, 'out')).filter((name) => name.includes('.shoal')),
      [],
    )
  })

  it('verifies what it is asked to', async () => {
    assert.equal((await copy('-r', '--verify', plantTree(), 'docs:/')).code, EXIT.ok)
    assert.equal((await copy('-r', '--verify', 'docs:/tree', join(fixture.root, 'out'))).code, EXIT.ok)
  })

  it('notices with --verify a file that was stored otherwise', async () => {
    const tree = plantTree()
    fixture.cli.server.fault = (request) => {
      if (request.method === 'GET' && request.url?.includes('/files/') === true)
        stored('tree/run')!.bytes = Buffer.from('#!/bin/zz\n')
      return undefined
    }
    const { code, err } = await copy('-r', '--verify', tree, 'docs:/')
    assert.equal(code, EXIT.failure)
    assert.match(err, /tree\/run: The copy is not the same/)
  })

  it('takes a place among what is there, and under a new name', async () => {
    write('dir/a')
    write('other/b')
    await copy('-r', join(fixture.root, 'dir'), 'docs:/new')
    await copy('-r', join(fixture.root, 'dir'), 'docs:/new')
    await copy('-r', `${fixture.root}/other/.`, 'docs:/new')
    assert.deepEqual(paths(), ['new', 'new/a', 'new/b', 'new/dir', 'new/dir/a'])
    assert.equal((await copy(join(fixture.root, 'dir'), 'docs:/')).code, EXIT.usage)
  })

  it('copies only what is new or has changed with --update', async () => {
    const tree = plantTree()
    await copy('-r', tree, 'docs:/')
    writeFileSync(join(tree, 'run'), '#!/bin/zsh\n')
    write('tree/new')
    const { out, requests } = await copy('-r', '--update', '--json', tree, 'docs:/')
    const summary = JSON.parse(out) as { files: number; skipped: number }
    assert.equal(summary.files, 2)
    assert.ok(summary.skipped > 255)
    assert.equal(stored('tree/run')?.bytes.toString(), '#!/bin/zsh\n')
    assert.equal(requests.filter((line) => line.includes('/batch/')).length <= 2, true)
    await copy('-r', 'docs:/tree', join(fixture.root, 'out'))
    writeFileSync(join(fixture.root, 'out/private'), 'changed')
    assert.equal(
      (JSON.parse((await copy('-r', '-u', '--json', 'docs:/tree/.', join(fixture.root, 'out'))).out) as { files: number }).files,
      1,
    )
    assertSame(tree, join(fixture.root, 'out'))
  })

  it('goes on with -T where the first run has made the target', async () => {
    write('dir/a')
    write('dir/b')
    for (const target of ['docs:/new', join(fixture.root, 'out')]) {
      const source = target.startsWith('docs') ? join(fixture.root, 'dir') : 'docs:/new'
      await copy('-r', source, target)
      const { out } = await copy('-r', '-u', '-T', '--json', source, target)
      assert.equal((JSON.parse(out) as { skipped: number }).skipped, 2)
    }
    assert.deepEqual(paths(), ['new', 'new/a', 'new/b'])
    assert.deepEqual(readdirSync(join(fixture.root, 'out')).toSorted(), ['a', 'b'])
    assert.equal((await copy('-T', join(fixture.root, 'dir/a'), 'docs:/new')).code, EXIT.usage)
  })

  it('looks at contents with --checksum, whatever the times', async () => {
    const file = write('dir/a', 'one')
    await copy('-r', join(fixture.root, 'dir'), 'docs:/')
    const { atimeMs, mtimeMs } = statSync(file)
    writeFileSync(file, 'two')
    utimesSync(file, atimeMs / 1000, mtimeMs / 1000)
    stored('dir/a')!.mtime = new Date(mtimeMs).toISOString().replace('Z', '000000Z')
    await copy('-r', '--update', '--checksum', join(fixture.root, 'dir'), 'docs:/')
    assert.equal(stored('dir/a')?.bytes.toString(), 'two')
    utimesSync(file, 1, 1)
    assert.equal(
      (
        JSON.parse((await copy('-r', '-u', '--checksum', '--json', join(fixture.root, 'dir'), 'docs:/')).out) as {
          skipped: number
        }
      ).skipped,
      1,
    )
  })

  it('follows links with -L, but not in circles', async () => {
    write('dir/a')
    symlinkSync('a', join(fixture.root, 'dir/link'))
    symlinkSync('..', join(fixture.root, 'dir/up'))
    const { code, err } = await copy('-r', '-L', join(fixture.root, 'dir'), 'docs:/')
    assert.equal(stored('dir/link')?.type, 'file')
    assert.match(err, /up.*it is in/)
    assert.equal(code, EXIT.failure)
  })

  it('skips a FIFO with a warning', async () => {
    write('dir/a')
    execFileSync('sh', ['-c', 'mkfifo "$0"', join(fixture.root, 'dir/fifo')])
    const { code, err } = await copy('-r', join(fixture.root, 'dir'), 'docs:/')
    assert.equal(code, EXIT.ok)
    assert.match(err, /fifo: Skipped/)
    assert.deepEqual(paths(), ['dir', 'dir/a'])
  })

  it('goes on after a file that fails, and says so by its exit code', async () => {
    write('dir/a')
    write('dir/b/c')
    fixture.cli.server.put(fixture.cli.server.volumes.get('docs')!, 'dir/a/in-the-way')
    const { code, err } = await copy('-r', join(fixture.root, 'dir'), 'docs:/')
    assert.equal(code, EXIT.failure)
    assert.match(err, /dir\/a: .*is a directory/)
    assert.match(err, /1 failed/)
    assert.equal(stored('dir/b/c')?.bytes.toString(), 'dir/b/c')
  })

  it('stops at the first failure with --fail-fast', async () => {
    for (let index = 0; index < 50; index += 1) write(`dir/${index}`, randomBytes(200_000))
    fixture.cli.server.fault = (request) => (request.method === 'PUT' ? { status: 400, code: 'INVALID_PATH' } : undefined)
    const { code, requests } = await copy('-r', '--fail-fast', '--parallel', '2', join(fixture.root, 'dir'), 'docs:/')
    assert.equal(code, EXIT.failure)
    assert.ok(requests.filter((line) => line.startsWith('PUT')).length < 10)
  })

  it('does not ask every file of a node that is gone', async () => {
    for (let index = 0; index < 30; index += 1) write(`dir/${index}`, randomBytes(200_000))
    fixture.cli.server.fault = (request) => (request.method === 'PUT' ? 'drop' : undefined)
    const { code, requests } = await copy('-r', '--parallel', '2', join(fixture.root, 'dir'), 'docs:/')
    assert.equal(code, EXIT.connection)
    assert.ok(requests.filter((line) => line.startsWith('PUT')).length <= 12)
  })

  it(
    'goes a thousand levels deep, past what the operating system takes as a path',
    { skip: process.platform !== 'linux' },
    async () => {
      const descend =
        'for (let i = 0; i < 1000; i += 1) { const name = `d${String(i).padStart(5, 0)}`; fs.mkdirSync(name); process.chdir(name) }'
      execFileSync(process.execPath, ['-e', `${descend} fs.writeFileSync('leaf', 'deep')`], { cwd: fixture.root })
      const top = join(fixture.root, 'd00000')
      assert.equal((await copy('-r', top, 'docs:/')).code, EXIT.ok)
      const deepest = paths().at(-1) as string
      assert.ok(deepest.length > 4096 && deepest.split('/').length === 1001)
      assert.equal((await copy('-r', 'docs:/d00000', join(fixture.root, 'out'))).code, EXIT.ok)
      const found = execFileSync('find', [join(fixture.root, 'out'), '-name', 'leaf', '-execdir', 'cat', '{}', ';'])
      assert.equal(found.toString(), 'deep')
      execFileSync('rm', ['-rf', top, join(fixture.root, 'out')])
    },
  )
})
