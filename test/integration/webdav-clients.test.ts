// WebDAV clients that people have, and a test suite of others, against a real node.

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { RestFiles } from '../crash/rest-files.ts'
import { ACCESS_KEY, AUTHORIZATION, freePort, type NodeProcess, SECRET_KEY, startNodeProcess } from '../support/node-process.ts'
import { makeAwkwardTree, runProgram, type RunOptions } from './run-program.ts'

let folder: string
let node: NodeProcess
let url: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-webdav-'))
  node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
  const rest = new RestFiles(node.origin)
  for (const volume of ['litmus', 'rclone', 'cadaver', 'davfs']) await rest.expect('PUT', `/volumes/${volume}`, {})
  await rest.close()
  url = `${node.origin}/dav`
})
after(async () => {
  assert.equal(await node.stop(), 0)
  await rm(folder, { recursive: true, force: true })
})

const run = (command: readonly [string, ...string[]], options: Omit<RunOptions, 'folder'> = {}): Promise<string> =>
  runProgram(command, { folder, ...options })

const makeTree = (name: string): Promise<string> => makeAwkwardTree(join(folder, name))

test('litmus passes whole', async (t) => {
  const said = await run(['litmus', '-k', `${url}/litmus/`, ACCESS_KEY, SECRET_KEY])
  for (const [suite, tests] of Object.entries({ basic: 16, copymove: 13, props: 30, locks: 41, http: 4 })) {
    await t.test(suite, () => {
      assert.match(said, new RegExp(`summary for \`${suite}': of ${tests} tests run: ${tests} passed, 0 failed`), said)
    })
  }
  assert.doesNotMatch(said, /WARNING|FAIL|SKIPPED/)
})

test('rclone synchronises a tree, finds no difference, and takes it back', async () => {
  const obscured = (await run(['rclone', 'obscure', SECRET_KEY])).trim()
  const environment = { RCLONE_WEBDAV_URL: `${url}/rclone`, RCLONE_WEBDAV_USER: ACCESS_KEY, RCLONE_WEBDAV_PASS: obscured }
  const rclone = (...args: string[]) => run(['rclone', '--config', join(folder, 'no-rclone.conf'), ...args], { environment })
  const tree = await makeTree('rclone-tree')
  await rclone('sync', '--create-empty-src-dirs', tree, ':webdav:tree')
  assert.match(await rclone('check', '--download', tree, ':webdav:tree'), /: 0 differences found/)
  await rm(join(tree, 'file 1'))
  await rename(join(tree, 'file 2'), join(tree, 'renamed'))
  await writeFile(join(tree, 'file 3'), 'changed, and of another length')
  await rclone('sync', '--create-empty-src-dirs', tree, ':webdav:tree')
  assert.match(await rclone('check', '--download', tree, ':webdav:tree'), /: 0 differences found/)
  await rclone('moveto', ':webdav:tree', ':webdav:moved')
  await rclone('sync', '--create-empty-src-dirs', ':webdav:moved', join(folder, 'rclone-back'))
  await run(['diff', '-r', tree, join(folder, 'rclone-back')])
  assert.match(await rclone('about', ':webdav:'), /Used:/)
  await rclone('purge', ':webdav:moved')
  assert.doesNotMatch(await rclone('lsf', ':webdav:'), /moved/)
  const owncloud = { environment: { ...environment, RCLONE_WEBDAV_VENDOR: 'owncloud' } }
  await run(['rclone', '--config', join(folder, 'no-rclone.conf'), 'copy', join(tree, 'file 9'), ':webdav:timed'], owncloud)
  const local = Math.floor((await stat(join(tree, 'file 9'))).mtimeMs / 1000)
  const listed = await run(['rclone', '--config', join(folder, 'no-rclone.conf'), 'lsjson', ':webdav:timed'], owncloud)
  const [{ ModTime }] = JSON.parse(listed.slice(listed.indexOf('['))) as [{ ModTime: string }]
  assert.equal(Date.parse(ModTime) / 1000, local)
})

test('cadaver does what it is told', async () => {
  await writeFile(join(folder, '.netrc'), `machine 127.0.0.1\nlogin ${ACCESS_KEY}\npassword ${SECRET_KEY}\n`, { mode: 0o600 })
  await writeFile(join(folder, 'one.bin'), randomBytes(100_000))
  const commands = [
    'mkcol made',
    'cd made',
    'put one.bin',
    'copy one.bin two.bin',
    'move two.bin three.bin',
    'lock one.bin',
    'discover one.bin',
    'put one.bin',
    'unlock one.bin',
    'propset one.bin colour blue',
    'propget one.bin colour',
    'propdel one.bin colour',
    'get three.bin back.bin',
    'delete three.bin',
    'ls',
    'cd ..',
    'rmcol made',
    'quit',
  ]
  const said = await run(['cadaver', `${url}/cadaver/`], { input: `${commands.join('\n')}\n` })
  assert.doesNotMatch(said, /failed|Could not/i)
  assert.equal([...said.matchAll(/succeeded/g)].length, 13, said)
  assert.match(said, /Value of colour is: blue/)
  assert.match(said, /Lock token <opaquelocktoken:/)
  assert.ok((await readFile(join(folder, 'back.bin'))).equals(await readFile(join(folder, 'one.bin'))))
})

const CANNOT_MOUNT =
  process.getuid?.() !== 0
    ? 'only root can mount'
    : existsSync('/dev/fuse')
      ? false
      : 'there is no /dev/fuse to mount a file system with'

test('davfs2 mounts a volume: a tree goes in and out the same', { skip: CANNOT_MOUNT }, async () => {
  const [mount, cache] = [join(folder, 'mount'), join(folder, 'cache')]
  await mkdir(mount)
  await mkdir(cache)
  // It gives up being root, and keeps its cache as a user of its own.
  await chmod(folder, 0o755)
  await chmod(cache, 0o777)
  const secrets = join(folder, 'secrets')
  await writeFile(secrets, `${url}/davfs ${ACCESS_KEY} ${SECRET_KEY}\n`, { mode: 0o600 })
  // Larger requests than 64 KiB fail with the FUSE of recent kernels (davfs2 1.6 and 1.7).
  const settings = { ask_auth: 0, use_locks: 1, buf_size: 64, delay_upload: 0, secrets, cache_dir: cache }
  const text = Object.entries(settings).map(([name, value]) => `${name} ${value}\n`)
  await writeFile(join(folder, 'davfs2.conf'), text.join(''))
  const tree = await makeTree('davfs-tree')
  await run(['mount.davfs', '-o', `conf=${join(folder, 'davfs2.conf')}`, `${url}/davfs`, mount])
  try {
    await run(['cp', '-r', tree, join(mount, 'tree')])
    await run(['cp', '-r', join(mount, 'tree'), join(folder, 'davfs-back')])
    await run(['diff', '-r', tree, join(folder, 'davfs-back')])
    await run(['sh', '-c', 'cd mount/tree && mv deep shallow && chmod +x "file 5" && rm empty && echo more >> "file 6" && df .'])
  } finally {
    // Waits until everything is stored.
    await run(['umount', '-l', mount])
  }
  await run(['sh', '-c', 'cd davfs-tree && mv deep shallow && rm empty && echo more >> "file 6"'])
  const rest = new RestFiles(node.origin)
  const large = await rest.expect('GET', '/volumes/davfs/files/tree/shallow/er/still/large')
  assert.ok(large.equals(await readFile(join(tree, 'shallow/er/still/large'))))
  const six = await rest.expect('GET', '/volumes/davfs/files/tree/file%206')
  assert.ok(six.equals(await readFile(join(tree, 'file 6'))))
  const five = JSON.parse((await rest.expect('GET', '/volumes/davfs/attributes/tree/file%205')).toString()) as { mode: string }
  assert.match(JSON.stringify(five), /"mode":"0?755"/)
  await rest.close()
})

/** The requests of a client that can't be run here, in its order. */
async function play(steps: readonly Step[]): Promise<void> {
  const kept: Record<string, string> = {}
  const fill = (text: string) => text.replace(/\{(\w+)\}/g, (_, name: string) => kept[name] ?? '')
  for (const [method, path, headers, body, status] of steps) {
    const filled = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, fill(value)]))
    const answer = await fetch(`${node.origin}${path}`, { method, headers: filled, ...(body === '' ? {} : { body }) })
    const text = await answer.text()
    assert.equal(answer.status, status, `${method} ${path}: ${text}`)
    kept['token'] = answer.headers.get('lock-token') ?? kept['token'] ?? ''
  }
}

type Step = readonly [method: string, path: string, headers: Record<string, string>, body: string, status: number]

const lockInfo = (owner: string) =>
  `<?xml version="1.0" encoding="utf-8" ?><D:lockinfo xmlns:D="DAV:"><D:lockscope><D:exclusive/></D:lockscope><D:locktype><D:write/></D:locktype><D:owner><D:href>${owner}</D:href></D:owner></D:lockinfo>`

test('the requests of the Windows Mini-Redirector that stores a file are answered as it needs them', async () => {
  const A = { Authorization: AUTHORIZATION, 'User-Agent': 'Microsoft-WebDAV-MiniRedir/10.0.19045', Translate: 'f' }
  const times = ['Win32CreationTime', 'Win32LastAccessTime', 'Win32LastModifiedTime'].map(
    (name) => `<Z:${name}>Tue, 14 Nov 2023 22:13:20 GMT</Z:${name}>`,
  )
  const properties = `<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:"><D:set><D:prop>${times.join('')}<Z:Win32FileAttributes>00000020</Z:Win32FileAttributes></D:prop></D:set></D:propertyupdate>`
  const file = '/dav/cadaver/Neues%20Dokument.txt'
  await play([
    ['OPTIONS', '/', {}, '', 200],
    ['PROPFIND', '/', { Depth: '0' }, '', 401],
    ['PROPFIND', '/', { ...A, Depth: '0' }, '', 207],
    ['OPTIONS', '/dav/cadaver', A, '', 200],
    ['PROPFIND', '/dav/cadaver', { ...A, Depth: '1' }, '', 207],
    ['PROPFIND', file, { ...A, Depth: '0' }, '', 404],
    ['PUT', file, { ...A, 'Content-Length': '0' }, '', 201],
    ['LOCK', file, { ...A, Timeout: 'Second-3600' }, lockInfo('DESKTOP\\anne'), 200],
    ['PROPPATCH', file, { ...A, If: '({token})' }, properties, 207],
    ['HEAD', file, { ...A }, '', 200],
    ['PUT', file, { ...A, If: '({token})' }, 'the text', 204],
    ['PROPPATCH', file, { ...A, If: '({token})' }, properties, 207],
    ['LOCK', file, { ...A, If: '({token})', Timeout: 'Second-3600' }, '', 200],
    ['UNLOCK', file, { ...A, 'Lock-Token': '{token}' }, '', 204],
  ])
  const { headers } = await fetch(`${node.origin}${file}`, { headers: A })
  assert.equal(headers.get('last-modified'), 'Tue, 14 Nov 2023 22:13:20 GMT')
  assert.equal((await fetch(`${node.origin}/`, { headers: A })).headers.get('content-type'), 'application/problem+json')
})

test('the requests of LibreOffice and of the macOS Finder that store a file are answered as they need them', async () => {
  const A = { Authorization: AUTHORIZATION }
  const wanted = (names: string) => `<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop>${names}</D:prop></D:propfind>`
  const document = '/dav/cadaver/report.odt'
  const beside = '/dav/cadaver/._report.odt'
  await play([
    ['LOCK', document, { ...A, Depth: '0', Timeout: 'Second-180' }, lockInfo('LibreOffice - http://www.libreoffice.org/'), 201],
    ['PUT', document, { ...A, If: '({token})' }, 'a document', 204],
    ['PROPFIND', document, { ...A, Depth: '0' }, wanted('<D:lockdiscovery/><D:resourcetype/><D:getlastmodified/>'), 207],
    ['LOCK', document, { ...A, If: '({token})', Timeout: 'Second-180' }, '', 200],
    ['PUT', document, A, 'of somebody else', 423],
    ['PUT', document, { ...A, If: '({token})' }, 'a document, changed', 204],
    ['UNLOCK', document, { ...A, 'Lock-Token': '{token}' }, '', 204],
    ['PROPFIND', '/dav/cadaver/', { ...A, Depth: '0' }, wanted('<D:quota-available-bytes/><D:quota-used-bytes/><D:quota/>'), 207],
    ['PUT', beside, A, '', 201],
    ['LOCK', beside, { ...A, Depth: '0', Timeout: 'Second-600' }, lockInfo('http://www.apple.com/webdav_fs/'), 200],
    ['PUT', beside, { ...A, If: '({token})', 'X-Expected-Entity-Length': '8' }, 'resource', 204],
    ['MOVE', beside, { ...A, If: '({token})', Destination: '/dav/cadaver/._moved' }, '', 201],
    ['DELETE', '/dav/cadaver/._moved', A, '', 204],
  ])
})

test('what clients did left nothing that a check finds', async () => {
  const rest = new RestFiles(node.origin)
  const lines = (await rest.expect('POST', '/fsck', {})).toString().trim().split('\n')
  await rest.close()
  assert.deepEqual(lines.map((line) => JSON.parse(line) as { kind: string; clean?: boolean }).filter(({ kind }) => kind === 'finding'), []) // prettier-ignore
  assert.doesNotMatch(node.log(), /unexpectedly/)
})
