import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { RestFiles } from '../crash/rest-files.ts'
import { freePort, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'
import { request } from './raw-http.ts'

const MIB = 1024 * 1024
const FILES = '/api/v1/volumes/docs/files'
/** A terminal's interrupt comes twice under npm: signals that follow this closely count as one. */
const ECHO_MS = 300

let data: string
let port: number

before(async () => {
  data = await mkdtemp(join(tmpdir(), 'shoal-lifecycle-'))
  port = await freePort()
})
after(() => rm(data, { recursive: true, force: true }))

async function withNode<T>(folder: string, graceMs: number, use: (node: NodeProcess, rest: RestFiles) => Promise<T>): Promise<T> {
  const environment = { SHOAL_SHUTDOWN_GRACE_MS: `${graceMs}ms` }
  const node = await startNodeProcess({ data: join(data, folder), port, environment })
  const rest = new RestFiles(node.origin)
  try {
    await rest.expect('PUT', '/volumes/docs')
    return await use(node, rest)
  } finally {
    await rest.close()
    if (node.child.exitCode === null && node.child.signalCode === null) await node.kill()
  }
}

/** A PUT of which half is on its way. */
async function beginUpload(path: string, body: Buffer): Promise<{ socket: Socket; finish(): Promise<string> }> {
  const bytes = request('PUT', `${FILES}/${path}`, { body })
  const half = bytes.length - Math.floor(body.length / 2)
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const answer = collect(socket)
  socket.write(bytes.subarray(0, half))
  return {
    socket,
    async finish() {
      for (let at = half; at < bytes.length; at += 100_000) {
        socket.write(bytes.subarray(at, at + 100_000))
        await delay(20)
      }
      return (await answer).toString('latin1')
    },
  }
}

/** Everything that comes until the connection ends. */
async function collect(socket: Socket): Promise<Buffer> {
  const pieces: Buffer[] = []
  socket.on('error', () => {})
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  await once(socket, 'close')
  return Buffer.concat(pieces)
}

async function connects(): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  return new Promise((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
  }).finally(() => socket.destroy()) as Promise<boolean>
}

async function untilItRefuses(): Promise<void> {
  const deadline = performance.now() + 2_000
  while (await connects()) {
    assert.ok(performance.now() < deadline, 'it goes on taking connections')
    await delay(10)
  }
}

test('told to stop, a node takes no connection more, says so to those it has, finishes what is under way, and exits with 0', async () => {
  const large = randomBytes(24 * MIB)
  const sent = randomBytes(2 * MIB)
  await withNode('drain', 10_000, async (node, rest) => {
    await rest.expect('PUT', '/volumes/docs/files/large', large)
    await rest.close()
    const upload = await beginUpload('sent', sent)
    const reader = connect(port, '127.0.0.1')
    reader.write(request('GET', `${FILES}/large`, { headers: { Connection: undefined } }))
    await once(reader, 'readable')
    const exited = once(node.child, 'exit')
    node.child.kill('SIGTERM')
    await untilItRefuses()
    reader.write(request('GET', '/readyz'))
    await delay(100)
    const [answer, read] = await Promise.all([upload.finish(), collect(reader)])
    assert.match(answer, /^HTTP\/1\.1 201 /)
    assert.match(answer, /\r\nConnection: close\r\n/)
    const bodyAt = read.indexOf('\r\n\r\n') + 4
    assert.ok(read.subarray(bodyAt, bodyAt + large.length).equals(large), 'the download is not complete')
    const readiness = read.subarray(bodyAt + large.length).toString()
    assert.match(readiness, /^HTTP\/1\.1 503 [^]*\{"state":"draining"\}/)
    assert.deepEqual(await exited, [0, null])
  })
  await withNode('drain', 10_000, async (node, rest) => {
    assert.deepEqual(await rest.expect('GET', '/volumes/docs/files/sent'), sent)
    assert.equal(await node.stop(), 0)
  })
})

test('what is not finished within the grace is cut off and leaves nothing', async () => {
  await withNode('grace', 400, async (node) => {
    const { socket } = await beginUpload('never', randomBytes(3 * MIB))
    await delay(100)
    const startedMs = performance.now()
    assert.equal(await node.stop(), 0)
    const tookMs = performance.now() - startedMs
    assert.ok(tookMs >= 350 && tookMs < 3_000, `${tookMs} ms`)
    socket.destroy()
  })
  await withNode('grace', 400, async (_node, rest) => {
    assert.deepEqual(await rest.listAll('docs'), [])
    const { clean, lines } = await rest.fsck(true)
    assert.ok(clean, lines.join('\n'))
  })
})

test('a second signal ends the node at once, and nothing that was acknowledged is lost', async () => {
  await withNode('twice', 30_000, async (node, rest) => {
    await rest.expect('PUT', '/volumes/docs/files/kept', Buffer.from('kept'))
    const { socket } = await beginUpload('never', randomBytes(3 * MIB))
    await delay(100)
    const exited = once(node.child, 'exit')
    node.child.kill('SIGTERM')
    await delay(ECHO_MS + 200)
    assert.equal(node.child.exitCode, null)
    const startedMs = performance.now()
    node.child.kill('SIGTERM')
    assert.deepEqual(await exited, [null, 'SIGTERM'])
    assert.ok(performance.now() - startedMs < 1_000)
    socket.destroy()
  })
  await withNode('twice', 400, async (node, rest) => {
    assert.deepEqual(
      (await rest.listAll('docs')).map(({ path }) => path),
      ['kept'],
    )
    assert.ok((await rest.fsck(true)).clean)
    assert.equal(await node.stop(), 0)
  })
})

interface Ended {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** `shoal serve` with all that it prints. */
function serve(folder: string, flags: readonly string[] = []): { child: ChildProcess; ended: Promise<Ended> } {
  const { SHOAL_ROOT_ACCESS_KEY: _key, SHOAL_ROOT_SECRET_KEY: _secret, ...env } = process.env
  const args = ['src/main.ts', 'serve', '--data', join(data, folder), '--port', String(port), ...flags]
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (piece: Buffer) => (out += piece.toString()))
  child.stderr.on('data', (piece: Buffer) => (err += piece.toString()))
  return { child, ended: once(child, 'close').then(([code]: unknown[]) => ({ code: code as number | null, out, err })) }
}

async function serveUntilReady(folder: string): Promise<Ended> {
  const { child, ended } = serve(folder)
  while (!(await connects())) await delay(20)
  // The banner comes when the doors are open.
  await delay(200)
  child.kill('SIGTERM')
  return ended
}

test('a second process on a data folder is refused by name, and the first one goes on', async () => {
  await withNode('shared', 400, async (node, rest) => {
    const { code, err } = await serve('shared', ['--port', '0']).ended
    assert.equal(code, 1)
    assert.match(err, new RegExp(`data folder ".*shared" is in use by process ${node.child.pid}`))
    await rest.expect('PUT', '/volumes/docs/files/x', Buffer.from('x'))
  })
})

test('a data folder of a newer format is refused, and stays as it is', async () => {
  await withNode('newer', 400, (_node, rest) => rest.expect('PUT', '/volumes/docs/files/x', Buffer.from('x')))
  const path = join(data, 'newer', 'format.json')
  const format = await readFile(path, 'utf8')
  const newer = JSON.stringify({ ...(JSON.parse(format) as object), format: 99 })
  await writeFile(path, newer)
  const { code, err } = await serve('newer').ended
  assert.equal(code, 1)
  assert.match(err, /has format 99, and this version of Shoal knows formats up to 5/)
  assert.equal(await readFile(path, 'utf8'), newer)
  await writeFile(path, format)
  await withNode('newer', 400, async (_node, rest) =>
    assert.equal((await rest.expect('GET', '/volumes/docs/files/x')).toString(), 'x'),
  )
})

test('a node moves to another port with all its data, and says when a port is taken', async () => {
  await withNode('moved', 400, async (node, rest) => {
    await rest.expect('PUT', '/volumes/docs/files/x', Buffer.from('x'))
    const { code, err } = await serve('other').ended
    assert.equal(code, 1)
    assert.match(err, new RegExp(`Cannot listen for other nodes on 127.0.0.1:${port + 2}: the port is taken`))
    assert.equal(await node.stop(), 0)
  })
  const before = port
  port = await freePort()
  assert.notEqual(port, before)
  await withNode('moved', 400, async (_node, rest) =>
    assert.equal((await rest.expect('GET', '/volumes/docs/files/x')).toString(), 'x'),
  )
})

test('the first start shows the root key once, later ones never, and it works', async () => {
  const first = await serveUntilReady('banner')
  assert.equal(first.code, 0)
  const kept = join(data, 'banner', 'root-credentials.json')
  assert.equal((await stat(kept)).mode & 0o777, 0o600)
  const { accessKey, secretKey } = JSON.parse(await readFile(kept, 'utf8')) as { accessKey: string; secretKey: string }
  assert.equal(first.out.split(secretKey).length - 1, 1)
  assert.equal(first.out.split(accessKey).length - 1, 1)
  assert.ok(!first.err.includes(secretKey), 'the secret is in the log')
  assert.match(first.out, new RegExp(`http://127.0.0.1:${port}/api/v1`))

  const second = await serveUntilReady('banner')
  assert.equal(second.code, 0)
  assert.ok(!second.out.includes(secretKey) && !second.err.includes(secretKey))

  const { child, ended } = serve('banner')
  while (!(await connects())) await delay(20)
  const authorization = `Basic ${Buffer.from(`${accessKey}:${secretKey}`).toString('base64')}`
  const answer = await fetch(`http://127.0.0.1:${port}/api/v1/status`, { headers: { authorization, connection: 'close' } })
  assert.equal(answer.status, 200)
  await answer.arrayBuffer()
  child.kill('SIGTERM')
  assert.equal((await ended).code, 0)
})
