import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, it } from 'node:test'
import { encodeName } from '#foundation/name.ts'
import { EXIT } from '../exit-code.ts'
import { copyFixture } from './copy-fixture.suite.ts'

const fixture = copyFixture()
const { copy, paths, stored, write } = fixture

describe('cp of files', () => {
  it('goes where cp would', async () => {
    const a = write('a', 'alpha')
    const b = write('b', 'beta')
    await copy(a, 'docs:/x/renamed')
    await copy(a, b, 'docs:/x')
    await copy(a, 'docs:/fresh/')
    await copy(join(fixture.root, './a'), 'docs:')
    assert.deepEqual(paths(), ['a', 'fresh', 'fresh/a', 'x', 'x/a', 'x/b', 'x/renamed'])
    assert.equal((await copy(a, b, 'docs:/nowhere')).code, EXIT.usage)
    await copy('docs:/x/a', join(fixture.root, 'back'))
    await copy('docs:/x/a', 'docs:/x/b', `${fixture.root}/into/`)
    assert.deepEqual(
      [readFileSync(join(fixture.root, 'back'), 'utf8'), readFileSync(join(fixture.root, 'into/b'), 'utf8')],
      ['alpha', 'beta'],
    )
    assert.equal((await copy(join(fixture.root, 'none'), 'docs:/')).code, EXIT.notFound)
    assert.equal((await copy('docs:/none', fixture.root)).code, EXIT.notFound)
    assert.equal((await copy('docs:/x/a', join(fixture.root, 'no/such/folder'))).code, EXIT.notFound)
  })

  it('keeps a link as a link with -r, and else copies what it points to', async () => {
    write('a', 'alpha')
    symlinkSync('a', join(fixture.root, 'link'))
    await copy('-r', join(fixture.root, 'link'), 'docs:/kept')
    await copy(join(fixture.root, 'link'), 'docs:/followed')
    assert.deepEqual([stored('kept')?.target, stored('followed')?.bytes.toString()], ['a', 'alpha'])
    await copy('-r', 'docs:/kept', join(fixture.root, 'out'))
    assert.equal(readlinkSync(join(fixture.root, 'out')), 'a')
  })

  it('reads stdin and writes stdout', async () => {
    assert.equal((await fixture.cli.runWith({ stdin: Buffer.from('from stdin') }, 'cp', '-', 'docs:/in')).code, EXIT.ok)
    assert.equal(stored('in')?.bytes.toString(), 'from stdin')
    assert.equal((await fixture.cli.run('cp', 'docs:/in', '-')).out, 'from stdin')
    assert.match((await fixture.cli.runWith({ stdin: Buffer.from('x') }, 'cp', '-', 'docs:/')).err, /name the file/)
  })

  it('leaves nothing of a download that fails', async () => {
    fixture.cli.server.put(fixture.cli.server.volumes.get('docs')!, 'big', { bytes: randomBytes(3_000_000) })
    write('out/big', 'the old one')
    fixture.cli.server.fault = (request) =>
      request.url?.includes('/files/') === true ? { status: 500, code: 'CORRUPT' } : undefined
    assert.equal((await copy('docs:/big', join(fixture.root, 'out'))).code, EXIT.failure)
    assert.deepEqual(readdirSync(join(fixture.root, 'out')), ['big'])
    assert.equal(readFileSync(join(fixture.root, 'out/big'), 'utf8'), 'the old one')
  })

  it('takes up a download whose connection broke', async () => {
    const bytes = randomBytes(3_000_000)
    fixture.cli.server.put(fixture.cli.server.volumes.get('docs')!, 'big', { bytes })
    fixture.cli.server.fault = (request) => (request.url?.includes('/files/') === true ? { cutAfterBytes: 1_000_000 } : undefined)
    assert.equal((await copy('docs:/big', fixture.root)).code, EXIT.ok)
    assert.deepEqual(readFileSync(join(fixture.root, 'big')), bytes)
  })
})

describe('cp between volumes', () => {
  beforeEach(() => {
    const docs = fixture.cli.server.volumes.get('docs')!
    fixture.cli.server.put(docs, 'dir/a', { bytes: Buffer.from('alpha'), mode: '0640' })
    fixture.cli.server.put(docs, 'dir/sub/link', { type: 'symlink', target: '../a' })
    fixture.cli.server.makeVolume('media')
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
    const docs = fixture.cli.server.volumes.get('docs')!
    fixture.cli.server.put(docs, 'dir/fine')
    docs.files.set('dir/../../escaped', docs.files.get('dir/fine')!)
    const { code, err } = await copy('-r', 'docs:/dir', join(fixture.root, 'out'))
    assert.equal(code, EXIT.failure)
    assert.match(err, /which is not one/)
    assert.ok(!existsSync(join(fixture.root, 'escaped')) && !existsSync(join(fixture.root, '..', 'escaped')))
    assert.ok(existsSync(join(fixture.root, 'out/fine')))
  })

  it('is found out when it sends other bytes', async () => {
    fixture.cli.server.put(fixture.cli.server.volumes.get('docs')!, 'a', { bytes: Buffer.from('alpha') })
    fixture.cli.server.damage = (bytes) => Buffer.from(bytes.toString().replace('l', 'L'))
    const { code, err } = await copy('docs:/a', fixture.root)
    assert.equal(code, EXIT.failure)
    assert.match(err, /SHA-256/)
    assert.ok(!existsSync(join(fixture.root, 'a')))
  })
})

describe('progress', () => {
  it('draws a bar on a terminal, and is silent with --quiet', async () => {
    const file = write('a', randomBytes(200_000))
    const shown = await fixture.cli.runWith({ isTTY: true }, 'cp', file, 'docs:/')
    assert.match(shown.err, /Copied 1 file, 196 KiB in 0\.\d s/)
    assert.equal((await fixture.cli.runWith({ isTTY: true }, 'cp', '-q', file, 'docs:/')).err, '')
  })

  it('names a file whose name is no text', async () => {
    mkdirSync(join(fixture.root, 'dir'))
    writeFileSync(Buffer.concat([Buffer.from(join(fixture.root, 'dir/')), encodeName('\udcff\x1b')]), '')
    fixture.cli.server.put(fixture.cli.server.volumes.get('docs')!, 'dir/\udcff\x1b/in-the-way')
    const { err } = await copy('-r', join(fixture.root, 'dir'), 'docs:/')
    assert.ok(!err.includes('\x1b'))
  })
})
