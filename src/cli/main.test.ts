import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { decodeName } from '#foundation/name.ts'
import { EXIT } from './exit-code.ts'
import { startTestCli } from './test-cli.suite.ts'
import type { TestCli } from './test-cli.suite.ts'

let cli: TestCli

beforeEach(async () => {
  cli = await startTestCli()
})

afterEach(async () => cli[Symbol.asyncDispose]())

/** A volume `docs` with three files in two directories. */
function plant(): void {
  const docs = cli.server.makeVolume('docs')
  cli.server.put(docs, 'a.txt', { bytes: Buffer.from('alpha'), mtime: '2026-11-20T12:00:00.000000000Z' })
  cli.server.put(docs, 'src/b.log', { bytes: Buffer.alloc(2048), mtime: '2020-01-01T00:00:00.000000000Z' })
  cli.server.put(docs, 'src/deep/c.log', { bytes: Buffer.from('c') })
}

function lines(text: string): string[] {
  return text.split('\n').filter((line) => line !== '')
}

function values(text: string): Record<string, unknown>[] {
  return lines(text).map((line) => JSON.parse(line) as Record<string, unknown>)
}

describe('the command line', () => {
  it('explains itself', async () => {
    assert.match((await cli.run()).out, /Usage: shoal COMMAND/)
    assert.match((await cli.run('help')).out, /completion/)
    assert.match((await cli.run('help', 'cp')).out, /Usage: shoal cp/)
    assert.match((await cli.run('cp', '--help')).out, /--recursive/)
    assert.match((await cli.run('ls', '-h')).err, /docs|volumes/)
    assert.match((await cli.run('mkdir', '-h')).out, /Usage: shoal mkdir/)
    assert.match((await cli.run('help', 'volume')).out, /volume create/)
    assert.match((await cli.run('volume', '--help')).out, /volume create/)
    assert.match((await cli.run('help', 'exit-codes')).out, /5 {2}the node could not be reached/)
    assert.match((await cli.run('--version')).out, /^shoal \d+\.\d+\.\d+\n$/)
  })

  it('says that nobody leads while it waits for that, and in the end what to do', async () => {
    cli.server.fault = ({ url }) =>
      url?.endsWith('/nodes') ? undefined : { code: 'UNAVAILABLE', status: 503, isLeaderless: true }
    const { code, err } = await cli.run('ls', 'docs:/')
    assert.equal(code, EXIT.failure)
    assert.match(err, /^No node leads the metadata: waiting.*\nshoal: .* shoal node list .*docs\/operations\/etcd\.md.*\n$/)
    cli.server.nodes = [{ id: 'a0', host: '10.0.0.1', home: true, state: 'dead' }]
    const [away, quiet] = await Promise.all([cli.run('stat', 'docs:/a'), cli.run('stat', '--json', 'docs:/a')])
    assert.match(away.err, /^Node a0 at 10\.0\.0\.1, which leads the metadata, is dead: waiting.*\nshoal: /)
    assert.equal((JSON.parse(quiet.err) as { error: { leaderless: boolean } }).error.leaderless, true)
  })

  const USAGE: readonly { readonly args: string[]; readonly says: RegExp }[] = [
    { args: ['lss'], says: /did you mean shoal ls\?/ },
    { args: ['volume', 'creat', 'x'], says: /did you mean shoal volume create\?/ },
    { args: ['frobnicate'], says: /shoal help lists the commands/ },
    { args: ['volume'], says: /volume create/ },
    { args: ['mkdir'], says: /needs more operands/ },
    { args: ['volume', 'delete', ''], says: /An operand of shoal volume delete is empty: shoal volume delete NAME/ },
    { args: ['status', 'x'], says: /no use for "x"/ },
    { args: ['ls', '--logn', 'docs:/'], says: /did you mean --long\?/ },
    { args: ['cat', 'notes.txt'], says: /docs:\/path/ },
    { args: ['cat', '--json', 'docs:/a'], says: /no JSON form/ },
    { args: ['find', 'docs:/', '--size', 'big'], says: /"big"/ },
    { args: ['find', 'docs:/', '--newer', 'yesterday'], says: /"yesterday"/ },
    { args: ['mv', 'docs:/a', 'media:/a'], says: /stays within a volume/ },
    { args: ['mv', '--exchange', '-n', 'docs:/a', 'docs:/b'], says: /contradict/ },
    { args: ['mv', 'docs:/', 'docs:/b'], says: /the volume itself/ },
    { args: ['rm', '-r', 'docs:/'], says: /shoal volume delete/ },
    { args: ['mkdir', '-m', '9', 'docs:/a'], says: /octal/ },
    { args: ['completion', 'tcsh'], says: /one of bash, zsh, fish/ },
    { args: ['volume', 'set', 'docs'], says: /changes nothing/ },
    { args: ['volume', 'create', 'docs', '--consistency', 'casual'], says: /one of strong/ },
    { args: ['status', '--endpoint', 'nowhere'], says: /not an endpoint/ },
    { args: ['cp', 'a', 'b'], says: /Neither side is in a volume/ },
    { args: ['cp', '-', '-'], says: /one file in a volume/ },
    { args: ['cp', '-', 'a', 'docs:/'], says: /one file in a volume/ },
    { args: ['cp', '--checksum', 'a', 'docs:/'], says: /needs --update/ },
    { args: ['cp', '--parallel', '0', 'a', 'docs:/'], says: /from 1 to 256/ },
    { args: ['bench', '--size', '2MiB'], says: /1MiB at most/ },
  ]
  for (const { args, says } of USAGE) {
    it(`answers "shoal ${args.join(' ')}" with code 2 and a word of help`, async () => {
      plant()
      const { code, err, out } = await cli.run(...args)
      assert.equal(code, EXIT.usage)
      assert.match(err, says)
      assert.equal(out, '')
    })
  }

  it('tells what is not there from what is refused and from nobody at home', async () => {
    plant()
    assert.equal((await cli.run('stat', 'docs:/nothing')).code, EXIT.notFound)
    const missing = await cli.run('ls', 'nope:/')
    assert.equal(missing.code, EXIT.notFound)
    assert.match(missing.err, /shoal volume create/)
    const refused = await cli.runWith({ env: { SHOAL_SECRET_KEY: 'wrong-horse' } }, 'status')
    assert.equal(refused.code, EXIT.refused)
    assert.ok(!refused.err.includes('horse'))
    const lost = await cli.run('status', '--endpoint', 'http://127.0.0.1:9')
    assert.equal(lost.code, EXIT.connection)
    assert.equal(lost.err, 'shoal: Nothing answers at http://127.0.0.1:9. Is the node running? Start one with: npm start\n')
  })

  it('gives programs errors as JSON', async () => {
    plant()
    const { code, err } = await cli.run('stat', '--json', 'docs:/nothing')
    const [{ error }] = values(err) as [{ error: { code: string; message: string } }]
    assert.deepEqual([code, error.code], [EXIT.notFound, 'NOT_FOUND'])
  })
})

describe('shoal volume', () => {
  it('makes, lists, shows, changes and deletes volumes', async () => {
    assert.equal(
      (await cli.run('volume', 'create', 'media', '--chunk-size', '16MiB', '--quota-files', '10')).out,
      'Created volume media\n',
    )
    assert.match((await cli.run('volume', 'list')).out, /^NAME .*\nmedia /)
    const [volume] = values((await cli.run('volume', 'list', '--json')).out)
    assert.deepEqual([volume?.['name'], volume?.['chunkSizeBytes'], volume?.['quotaFiles']], ['media', 16_777_216, 10])
    assert.match((await cli.run('volume', 'show', 'media')).out, /Chunk size +16 MiB/)
    assert.match((await cli.run('volume', 'set', 'media', '--quota-files', 'none')).out, /no limit in files/)
    const again = await cli.run('volume', 'create', 'media')
    assert.deepEqual([again.code, again.err], [EXIT.failure, 'shoal: There is a volume "media" already\n'])
    cli.server.put(cli.server.volumes.get('media')!, 'a')
    assert.equal((await cli.run('volume', 'delete', 'media')).code, EXIT.failure)
    assert.equal((await cli.run('volume', 'delete', '-f', 'media')).code, EXIT.ok)
    assert.match((await cli.run('volume', 'list')).err, /no volumes yet/)
  })
})

describe('shoal ls', () => {
  beforeEach(plant)

  it('lists names, directories with a slash', async () => {
    assert.equal((await cli.run('ls', 'docs:/')).out, 'a.txt\nsrc/\n')
    assert.equal((await cli.run('ls', '-R', 'docs:/')).out, 'a.txt\nsrc/\nsrc/b.log\nsrc/deep/\nsrc/deep/c.log\n')
    assert.equal((await cli.run('ls', '-R', 'docs:/src')).out, 'b.log\ndeep/\ndeep/c.log\n')
    assert.equal((await cli.run('ls', 'docs:/src/b.log')).out, 'b.log\n')
    assert.match((await cli.run('ls', 'docs:/', 'docs:/src')).out, /^docs:\/:\na\.txt\nsrc\/\n\ndocs:\/src:\nb\.log/)
  })

  it('aligns what is long', async () => {
    const { out } = await cli.run('ls', '-lh', 'docs:/src')
    assert.match(out, /^-rw-r--r-- +1 +0 +0 +2\.0K 2020-01-01 00:00 b\.log\ndrwxr-xr-x/)
  })

  it('prints the entries of the REST interface as JSON', async () => {
    const [entry] = values((await cli.run('ls', '--json', 'docs:/src')).out)
    assert.deepEqual([entry?.['path'], entry?.['type'], entry?.['size'], entry?.['mode']], ['src/b.log', 'file', 2048, '0644'])
  })

  it('prints the bytes of names to a file, and nothing that moves the cursor to a terminal', async () => {
    const name = decodeName(Buffer.from([0x1b, 0x5b, 0xff]))
    cli.server.put(cli.server.volumes.get('docs')!, `x/${name}`)
    assert.equal((await cli.run('ls', 'docs:/x')).out, '\x1b[\xff\n')
    assert.equal((await cli.runWith({ isTTY: true }, 'ls', 'docs:/x')).out, '\\x1b[\\xff\n')
  })

  it('lists the volumes without a path', async () => assert.match((await cli.run('ls')).out, /docs/))
})

describe('single entries', () => {
  beforeEach(plant)

  it('cat prints contents, ranges of them, and several files one after the other', async () => {
    assert.equal((await cli.run('cat', 'docs:/a.txt', 'docs:/src/deep/c.log')).out, 'alphac')
    assert.equal((await cli.run('cat', '--offset', '1', '--length', '3', 'docs:/a.txt')).out, 'lph')
    assert.equal((await cli.run('cat', '--length', '0', 'docs:/a.txt')).out, '')
    assert.equal((await cli.run('cat', 'docs:/src')).code, EXIT.failure)
  })

  it('mkdir makes directories, on the way too with -p', async () => {
    assert.equal((await cli.run('mkdir', 'docs:/new')).code, EXIT.ok)
    assert.equal((await cli.run('mkdir', 'docs:/new')).code, EXIT.failure)
    assert.equal((await cli.run('mkdir', 'docs:/x/y')).code, EXIT.notFound)
    assert.equal((await cli.run('mkdir', '-p', '-m', '700', 'docs:/x/y', 'docs:/new')).code, EXIT.ok)
    assert.equal(cli.server.volumes.get('docs')?.files.get('x/y')?.mode, '0700')
    assert.equal(values((await cli.run('mkdir', '--json', 'docs:/z')).out)[0]?.['path'], 'z')
  })

  it('mv renames, and moves into a directory that exists', async () => {
    assert.equal((await cli.run('mv', 'docs:/a.txt', 'docs:/z.txt')).code, EXIT.ok)
    assert.equal((await cli.run('mv', 'docs:/z.txt', 'docs:/src')).code, EXIT.ok)
    assert.equal((await cli.run('cat', 'docs:/src/z.txt')).out, 'alpha')
    assert.equal((await cli.run('mv', '-n', 'docs:/src/z.txt', 'docs:/src/b.log')).code, EXIT.failure)
    assert.equal((await cli.run('mv', 'docs:/src/z.txt', 'docs:/src/b.log', 'docs:/nowhere')).code, EXIT.usage)
    const [moved] = values((await cli.run('mv', '--json', 'docs:/src/z.txt', 'docs:/src/b.log', 'docs:/')).out)
    assert.equal(moved?.['path'], 'z.txt')
  })

  it('rm removes files, directories with -r alone, and minds -f', async () => {
    assert.equal((await cli.run('rm', 'docs:/a.txt')).code, EXIT.ok)
    assert.equal((await cli.run('rm', 'docs:/a.txt')).code, EXIT.notFound)
    assert.equal((await cli.run('rm', '-f', 'docs:/a.txt')).code, EXIT.ok)
    const refused = await cli.run('rm', 'docs:/src')
    assert.deepEqual([refused.code, /rm -r/.test(refused.err)], [EXIT.failure, true])
    assert.equal((await cli.run('rm', '-r', '--json', 'docs:/src')).out, '{"volume":"docs","path":"src","removed":true}\n')
    assert.equal(cli.server.volumes.get('docs')?.files.size, 0)
  })

  it('stat tells all there is to know', async () => {
    const { out } = await cli.run('stat', 'docs:/src/b.log')
    assert.match(out, /^Path +docs:\/src\/b\.log\nType +file\nSize +2048 B \(2\.0 KiB\)\nMode +0644 \(-rw-r--r--\)/)
    assert.equal(values((await cli.run('stat', '--json', 'docs:/a.txt')).out)[0]?.['size'], 5)
  })
})

describe('shoal find and shoal du', () => {
  beforeEach(plant)

  const FINDS: readonly { readonly args: string[]; readonly found: string[] }[] = [
    { args: [], found: ['a.txt', 'src', 'src/b.log', 'src/deep', 'src/deep/c.log'] },
    { args: ['--name', '*.log'], found: ['src/b.log', 'src/deep/c.log'] },
    { args: ['--type', 'd'], found: ['src', 'src/deep'] },
    { args: ['--size', '+1KiB'], found: ['src/b.log'] },
    { args: ['--size', '5'], found: ['a.txt'] },
    { args: ['--size', '-5'], found: ['src/deep/c.log'] },
    { args: ['--max-depth', '1'], found: ['a.txt', 'src'] },
    { args: ['--max-depth', '2', '--name', '*.log'], found: ['src/b.log'] },
    { args: ['--newer', '2026-11-01', '--type', 'f'], found: ['a.txt'] },
  ]
  for (const { args, found } of FINDS) {
    it(`find ${args.join(' ')} finds ${found.length}`, async () => {
      assert.deepEqual(
        lines((await cli.run('find', 'docs:/', ...args)).out),
        found.map((path) => `docs:/${path}`),
      )
      assert.deepEqual(
        values((await cli.run('find', '--json', 'docs:/', ...args)).out).map(({ path }) => path),
        found,
      )
    })
  }

  it('find -0 separates paths for xargs', async () => {
    assert.equal((await cli.run('find', '-0', '--type', 'd', 'docs:/')).out, 'docs:/src\0docs:/src/deep\0')
  })

  it('du adds up from the leaves', async () => {
    const sums = (await cli.run('du', '--json', 'docs:/')).out
    assert.deepEqual(values(sums), [
      { volume: 'docs', path: 'src/deep', bytes: 1, files: 1 },
      { volume: 'docs', path: 'src', bytes: 2049, files: 2 },
      { volume: 'docs', path: '', bytes: 2054, files: 3 },
    ])
    assert.match((await cli.run('du', '-sh', 'docs:/src')).out, /^ +2\.1K {2}docs:\/src\n$/)
    assert.equal(lines((await cli.run('du', '--max-depth', '1', 'docs:/')).out).length, 2)
    assert.match((await cli.run('du', 'docs:/a.txt')).out, / 5 {2}docs:\/a\.txt/)
  })
})

describe('the node', () => {
  it('status says how it is', async () => {
    assert.match((await cli.run('status')).out, /State +serving for 1 min 01 s\n/)
    assert.equal(values((await cli.run('status', '--json')).out)[0]?.['nodeId'], 'n1')
  })

  it('fsck tells what it found by its exit code', async () => {
    plant()
    assert.deepEqual(await cli.run('fsck'), { code: EXIT.ok, out: 'Everything is in order\n', err: '' })
    cli.server.put(cli.server.volumes.get('docs')!, 'bad', { bytes: Buffer.from('damaged') })
    const { code, out } = await cli.run('fsck')
    assert.equal(code, EXIT.problemsFound)
    assert.match(out, /^docs:\/bad: corrupt chunk\n1 problem found, 0 repaired; --repair/)
    const repaired = await cli.run('fsck', '--repair', '--json')
    assert.equal(values(repaired.out).at(-1)?.['repaired'], 1)
  })

  it('fsck --data asks no node', async () => {
    const { code, err } = await cli.run('fsck', '--data', join(cli.folder, 'none'), '--endpoint', 'http://127.0.0.1:9')
    assert.equal(code, EXIT.notFound)
    assert.match(err, /no data folder/)
  })

  it('bench measures, and leaves nothing behind', async () => {
    const { code, out } = await cli.run('bench', '-n', '20', '--large', '1MiB', '-c', '4', '--json')
    assert.equal(code, EXIT.ok)
    assert.deepEqual(
      values(out).map(({ operations }) => operations),
      [20, 20, 1, 1],
    )
    assert.equal(cli.server.volumes.size, 0)
    assert.match((await cli.run('bench', '-n', '5', '--large', '0', '-q')).out, /^TEST .*\nput 1\.0 KiB/)
  })

  it('config show tells each value and where it came from', async () => {
    const env = { SHOAL_PORT: '8400', SHOAL_DATA: join(cli.folder, 'data') }
    const shown = values((await cli.runWith({ env }, 'config', 'show', '--json', '--log-level', 'warn')).out)
    const find = (key: string) => shown.find((each) => each['key'] === key)
    assert.deepEqual(find('port'), { key: 'port', value: '8400', origin: 'the environment variable SHOAL_PORT' })
    assert.deepEqual(find('log.level'), { key: 'log.level', value: 'warn', origin: 'the flag --log-level' })
    const wrong = await cli.runWith({ env }, 'config', 'show', '--port', 'x')
    assert.deepEqual([wrong.code, wrong.err.includes('"port" is "x"')], [EXIT.usage, true])
  })

  it('config show reads a named file', async () => {
    mkdirSync(join(cli.folder, 'c'))
    const path = join(cli.folder, 'c', 'shoal.yaml')
    writeFileSync(path, 'port: 9000\n')
    assert.match((await cli.run('config', 'show', '--config', path)).out, /^port +9000 +the file/m)
  })
})
