import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { encodeName } from '#foundation/name.ts'
import { EXIT } from '../exit-code.ts'
import { startTestCli } from '../test-cli.suite.ts'
import type { TestCli } from '../test-cli.suite.ts'

let cli: TestCli
let root: string

beforeEach(async () => {
  cli = await startTestCli()
  cli.server.makeVolume('docs')
  root = cli.folder
})

afterEach(async () => cli[Symbol.asyncDispose]())

function write(path: string, content: string | Buffer = path, mode = 0o644): string {
  const full = join(root, path)
  mkdirSync(dirname(full), { recursive: true })
  writeFileSync(full, content)
  chmodSync(full, mode)
  return full
}

function stored(path: string, volume = 'docs') {
  return cli.server.volumes.get(volume)?.files.get(path)
}

function paths(volume = 'docs'): string[] {
  return [...(cli.server.volumes.get(volume)?.files.keys() ?? [])].toSorted()
}

async function copy(...args: string[]) {
  const result = await cli.run('cp', ...args)
  return { ...result, requests: cli.server.requests.splice(0) }
}

/** A tree with what trees have: all sizes around the thresholds, links, empty directories, odd names and modes. */
function plantTree(): string {
  for (const size of [0, 1, 4096, 131_072, 131_073, 1_048_577]) write(`tree/sizes/${size}`, randomBytes(size))
  write('tree/run', '#!/bin/sh\n', 0o755)
  write('tree/private', 'x', 0o600)
  mkdirSync(join(root, 'tree/empty'))
  symlinkSync('run', join(root, 'tree/link'))
  symlinkSync('nowhere', join(root, 'tree/dangling'))
  for (let byte = 1; byte < 256; byte += 1) {
    if (byte !== 0x2f && byte !== 0x2e)
      writeFileSync(Buffer.concat([Buffer.from(join(root, 'tree/empty/')), Buffer.of(byte)]), Buffer.of(byte))
  }
  mkdirSync(join(root, 'tree/really-empty'), { mode: 0o750 })
  writeFileSync(Buffer.concat([Buffer.from(join(root, 'tree/')), Buffer.alloc(255, 0xff)]), 'long')
  utimesSync(join(root, 'tree/run'), 1_000_000_000.123456, 1_000_000_000.123456)
  utimesSync(join(root, 'tree/really-empty'), 1_000_000_000, 1_000_000_000)
  return join(root, 'tree')
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
    assert.equal((await copy('-r', 'docs:/tree', join(root, 'out'))).code, EXIT.ok)
    assertSame(tree, join(root, 'out'))
    assert.deepEqual(
      readdirSync(join(root, 'out')).filter((name) => name.includes('.shoal')),
      [],
    )
  })

  it('verifies what it is asked to', async () => {
    assert.equal((await copy('-r', '--verify', plantTree(), 'docs:/')).code, EXIT.ok)
    assert.equal((await copy('-r', '--verify', 'docs:/tree', join(root, 'out'))).code, EXIT.ok)
  })

  it('notices with --verify a file that was stored otherwise', async () => {
    const tree = plantTree()
    cli.server.fault = (request) => {
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
    await copy('-r', join(root, 'dir'), 'docs:/new')
    await copy('-r', join(root, 'dir'), 'docs:/new')
    await copy('-r', `${root}/other/.`, 'docs:/new')
    assert.deepEqual(paths(), ['new', 'new/a', 'new/b', 'new/dir', 'new/dir/a'])
    assert.equal((await copy(join(root, 'dir'), 'docs:/')).code, EXIT.usage)
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
    await copy('-r', 'docs:/tree', join(root, 'out'))
    writeFileSync(join(root, 'out/private'), 'changed')
    assert.equal(
      (JSON.parse((await copy('-r', '-u', '--json', 'docs:/tree/.', join(root, 'out'))).out) as { files: number }).files,
      1,
    )
    assertSame(tree, join(root, 'out'))
  })

  it('goes on with -T where the first run has made the target', async () => {
    write('dir/a')
    write('dir/b')
    for (const target of ['docs:/new', join(root, 'out')]) {
      const source = target.startsWith('docs') ? join(root, 'dir') : 'docs:/new'
      await copy('-r', source, target)
      const { out } = await copy('-r', '-u', '-T', '--json', source, target)
      assert.equal((JSON.parse(out) as { skipped: number }).skipped, 2)
    }
    assert.deepEqual(paths(), ['new', 'new/a', 'new/b'])
    assert.deepEqual(readdirSync(join(root, 'out')).toSorted(), ['a', 'b'])
    assert.equal((await copy('-T', join(root, 'dir/a'), 'docs:/new')).code, EXIT.usage)
  })

  it('looks at contents with --checksum, whatever the times', async () => {
    const file = write('dir/a', 'one')
    await copy('-r', join(root, 'dir'), 'docs:/')
    const { atimeMs, mtimeMs } = statSync(file)
    writeFileSync(file, 'two')
    utimesSync(file, atimeMs / 1000, mtimeMs / 1000)
    stored('dir/a')!.mtime = new Date(mtimeMs).toISOString().replace('Z', '000000Z')
    await copy('-r', '--update', '--checksum', join(root, 'dir'), 'docs:/')
    assert.equal(stored('dir/a')?.bytes.toString(), 'two')
    utimesSync(file, 1, 1)
    assert.equal(
      (JSON.parse((await copy('-r', '-u', '--checksum', '--json', join(root, 'dir'), 'docs:/')).out) as { skipped: number })
        .skipped,
      1,
    )
  })

  it('follows links with -L, but not in circles', async () => {
    write('dir/a')
    symlinkSync('a', join(root, 'dir/link'))
    symlinkSync('..', join(root, 'dir/up'))
    const { code, err } = await copy('-r', '-L', join(root, 'dir'), 'docs:/')
    assert.equal(stored('dir/link')?.type, 'file')
    assert.match(err, /up.*it is in/)
    assert.equal(code, EXIT.failure)
  })

  it('skips a FIFO with a warning', async () => {
    write('dir/a')
    execFileSync('sh', ['-c', 'mkfifo "$0"', join(root, 'dir/fifo')])
    const { code, err } = await copy('-r', join(root, 'dir'), 'docs:/')
    assert.equal(code, EXIT.ok)
    assert.match(err, /fifo: Skipped/)
    assert.deepEqual(paths(), ['dir', 'dir/a'])
  })

  it('goes on after a file that fails, and says so by its exit code', async () => {
    write('dir/a')
    write('dir/b/c')
    cli.server.put(cli.server.volumes.get('docs')!, 'dir/a/in-the-way')
    const { code, err } = await copy('-r', join(root, 'dir'), 'docs:/')
    assert.equal(code, EXIT.failure)
    assert.match(err, /dir\/a: .*is a directory/)
    assert.match(err, /1 failed/)
    assert.equal(stored('dir/b/c')?.bytes.toString(), 'dir/b/c')
  })

  it('stops at the first failure with --fail-fast', async () => {
    for (let index = 0; index < 50; index += 1) write(`dir/${index}`, randomBytes(200_000))
    cli.server.fault = (request) => (request.method === 'PUT' ? { status: 400, code: 'INVALID_PATH' } : undefined)
    const { code, requests } = await copy('-r', '--fail-fast', '--parallel', '2', join(root, 'dir'), 'docs:/')
    assert.equal(code, EXIT.failure)
    assert.ok(requests.filter((line) => line.startsWith('PUT')).length < 10)
  })

  it('does not ask every file of a node that is gone', async () => {
    for (let index = 0; index < 30; index += 1) write(`dir/${index}`, randomBytes(200_000))
    cli.server.fault = (request) => (request.method === 'PUT' ? 'drop' : undefined)
    const { code, requests } = await copy('-r', '--parallel', '2', join(root, 'dir'), 'docs:/')
    assert.equal(code, EXIT.connection)
    assert.ok(requests.filter((line) => line.startsWith('PUT')).length <= 12)
  })

  it(
    'goes a thousand levels deep, past what the operating system takes as a path',
    { skip: process.platform !== 'linux' },
    async () => {
      const descend =
        'for (let i = 0; i < 1000; i += 1) { const name = `d${String(i).padStart(5, 0)}`; fs.mkdirSync(name); process.chdir(name) }'
      execFileSync(process.execPath, ['-e', `${descend} fs.writeFileSync('leaf', 'deep')`], { cwd: root })
      const top = join(root, 'd00000')
      assert.equal((await copy('-r', top, 'docs:/')).code, EXIT.ok)
      const deepest = paths().at(-1) as string
      assert.ok(deepest.length > 4096 && deepest.split('/').length === 1001)
      assert.equal((await copy('-r', 'docs:/d00000', join(root, 'out'))).code, EXIT.ok)
      const found = execFileSync('find', [join(root, 'out'), '-name', 'leaf', '-execdir', 'cat', '{}', ';'])
      assert.equal(found.toString(), 'deep')
      execFileSync('rm', ['-rf', top, join(root, 'out')])
    },
  )
})

describe('cp of files', () => {
  it('goes where cp would', async () => {
    const a = write('a', 'alpha')
    const b = write('b', 'beta')
    await copy(a, 'docs:/x/renamed')
    await copy(a, b, 'docs:/x')
    await copy(a, 'docs:/fresh/')
    await copy(join(root, './a'), 'docs:')
    assert.deepEqual(paths(), ['a', 'fresh', 'fresh/a', 'x', 'x/a', 'x/b', 'x/renamed'])
    assert.equal((await copy(a, b, 'docs:/nowhere')).code, EXIT.usage)
    await copy('docs:/x/a', join(root, 'back'))
    await copy('docs:/x/a', 'docs:/x/b', `${root}/into/`)
    assert.deepEqual([readFileSync(join(root, 'back'), 'utf8'), readFileSync(join(root, 'into/b'), 'utf8')], ['alpha', 'beta'])
    assert.equal((await copy(join(root, 'none'), 'docs:/')).code, EXIT.notFound)
    assert.equal((await copy('docs:/none', root)).code, EXIT.notFound)
    assert.equal((await copy('docs:/x/a', join(root, 'no/such/folder'))).code, EXIT.notFound)
  })

  it('keeps a link as a link with -r, and else copies what it points to', async () => {
    write('a', 'alpha')
    symlinkSync('a', join(root, 'link'))
    await copy('-r', join(root, 'link'), 'docs:/kept')
    await copy(join(root, 'link'), 'docs:/followed')
    assert.deepEqual([stored('kept')?.target, stored('followed')?.bytes.toString()], ['a', 'alpha'])
    await copy('-r', 'docs:/kept', join(root, 'out'))
    assert.equal(readlinkSync(join(root, 'out')), 'a')
  })

  it('reads stdin and writes stdout', async () => {
    assert.equal((await cli.runWith({ stdin: Buffer.from('from stdin') }, 'cp', '-', 'docs:/in')).code, EXIT.ok)
    assert.equal(stored('in')?.bytes.toString(), 'from stdin')
    assert.equal((await cli.run('cp', 'docs:/in', '-')).out, 'from stdin')
    assert.match((await cli.runWith({ stdin: Buffer.from('x') }, 'cp', '-', 'docs:/')).err, /name the file/)
  })

  it('leaves nothing of a download that fails', async () => {
    cli.server.put(cli.server.volumes.get('docs')!, 'big', { bytes: randomBytes(3_000_000) })
    write('out/big', 'the old one')
    cli.server.fault = (request) => (request.url?.includes('/files/') === true ? { status: 500, code: 'CORRUPT' } : undefined)
    assert.equal((await copy('docs:/big', join(root, 'out'))).code, EXIT.failure)
    assert.deepEqual(readdirSync(join(root, 'out')), ['big'])
    assert.equal(readFileSync(join(root, 'out/big'), 'utf8'), 'the old one')
  })

  it('takes up a download whose connection broke', async () => {
    const bytes = randomBytes(3_000_000)
    cli.server.put(cli.server.volumes.get('docs')!, 'big', { bytes })
    cli.server.fault = (request) => (request.url?.includes('/files/') === true ? { cutAfterBytes: 1_000_000 } : undefined)
    assert.equal((await copy('docs:/big', root)).code, EXIT.ok)
    assert.deepEqual(readFileSync(join(root, 'big')), bytes)
  })
})

describe('cp of a large file', () => {
  const SIZE = 70 * 1024 * 1024

  function plantLarge(): string {
    const path = write('large', 'start')
    truncateSync(path, SIZE)
    return path
  }

  it('goes up in parts, and a second run sends only those that are missing', async () => {
    const large = plantLarge()
    cli.server.fault = (request) =>
      request.url?.endsWith('/parts/2') === true ? { status: 400, code: 'INVALID_ARGUMENT' } : undefined
    assert.equal((await copy(large, 'docs:/')).code, EXIT.failure)
    assert.equal(stored('large'), undefined)
    cli.server.fault = () => undefined
    const { code, requests } = await copy(large, 'docs:/')
    assert.equal(code, EXIT.ok)
    assert.deepEqual(
      requests.filter((line) => line.includes('/parts/')).map((line) => line.slice(-7)),
      ['parts/2'],
    )
    assert.equal(stored('large')?.bytes.length, SIZE)
    assert.equal(
      createHash('sha256').update(stored('large')!.bytes).digest('hex'),
      createHash('sha256').update(readFileSync(large)).digest('hex'),
    )
    assert.deepEqual(readdirSync(join(root, 'home/.local/state/shoal/uploads')), [])
  })

  it('begins anew when the file is another by then', async () => {
    const large = plantLarge()
    cli.server.fault = (request) =>
      request.url?.endsWith('/parts/2') === true ? { status: 400, code: 'INVALID_ARGUMENT' } : undefined
    await copy(large, 'docs:/')
    cli.server.fault = () => undefined
    utimesSync(large, 5, 5)
    const { requests } = await copy(large, 'docs:/')
    assert.equal(requests.filter((line) => line.includes('/parts/')).length, 2)
  })
})

describe('cp between volumes', () => {
  beforeEach(() => {
    const docs = cli.server.volumes.get('docs')!
    cli.server.put(docs, 'dir/a', { bytes: Buffer.from('alpha'), mode: '0640' })
    cli.server.put(docs, 'dir/sub/link', { type: 'symlink', target: '../a' })
    cli.server.makeVolume('media')
  })

  it("within one is the server's work", async () => {
    const { code, requests } = await copy('-r', 'docs:/dir', 'docs:/copy')
    assert.equal(code, EXIT.ok)
    assert.deepEqual([stored('copy/a')?.bytes.toString(), stored('copy/sub/link')?.target], ['alpha', '../a'])
    assert.ok(!requests.some((line) => line.includes('/files/')))
  })

  it('from one to another goes through', async () => {
    assert.equal((await copy('-r', '--verify', 'docs:/dir', 'media:/')).code, EXIT.ok)
    assert.deepEqual(paths('media'), ['dir', 'dir/a', 'dir/sub', 'dir/sub/link'])
    assert.deepEqual([stored('dir/a', 'media')?.mode, stored('dir/sub/link', 'media')?.target], ['0640', '../a'])
    await copy('-r', 'docs:/', 'media:/all')
    assert.equal(stored('all/dir/a', 'media')?.bytes.toString(), 'alpha')
  })

  it('refuses a copy into itself', async () => {
    assert.equal((await copy('-r', 'docs:/dir', 'docs:/dir/sub')).code, EXIT.usage)
    assert.equal((await copy('docs:/dir/a', 'docs:/dir/a')).code, EXIT.usage)
  })
})

describe('a server that lies', () => {
  it('cannot write outside of the target', async () => {
    const docs = cli.server.volumes.get('docs')!
    cli.server.put(docs, 'dir/fine')
    docs.files.set('dir/../../escaped', docs.files.get('dir/fine')!)
    const { code, err } = await copy('-r', 'docs:/dir', join(root, 'out'))
    assert.equal(code, EXIT.failure)
    assert.match(err, /which is not one/)
    assert.ok(!existsSync(join(root, 'escaped')) && !existsSync(join(root, '..', 'escaped')))
    assert.ok(existsSync(join(root, 'out/fine')))
  })

  it('is found out when it sends other bytes', async () => {
    cli.server.put(cli.server.volumes.get('docs')!, 'a', { bytes: Buffer.from('alpha') })
    cli.server.damage = (bytes) => Buffer.from(bytes.toString().replace('l', 'L'))
    const { code, err } = await copy('docs:/a', root)
    assert.equal(code, EXIT.failure)
    assert.match(err, /SHA-256/)
    assert.ok(!existsSync(join(root, 'a')))
  })
})

describe('progress', () => {
  it('draws a bar on a terminal, and is silent with --quiet', async () => {
    const file = write('a', randomBytes(200_000))
    const shown = await cli.runWith({ isTTY: true }, 'cp', file, 'docs:/')
    assert.match(shown.err, /Copied 1 file, 196 KiB in 0\.\d s/)
    assert.equal((await cli.runWith({ isTTY: true }, 'cp', '-q', file, 'docs:/')).err, '')
  })

  it('names a file whose name is no text', async () => {
    mkdirSync(join(root, 'dir'))
    writeFileSync(Buffer.concat([Buffer.from(join(root, 'dir/')), encodeName('\udcff\x1b')]), '')
    cli.server.put(cli.server.volumes.get('docs')!, 'dir/\udcff\x1b/in-the-way')
    const { err } = await copy('-r', join(root, 'dir'), 'docs:/')
    assert.ok(!err.includes('\x1b'))
  })
})
