import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { copyFile, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { inspectPair } from '#gateway/http/inspect-pair.ts'
import { makeCertificate } from '#node/make-certificate.ts'
import { ACCESS_KEY, freePort, SECRET_KEY, startNodeProcess } from '../support/node-process.ts'
import type { NodeProcess } from '../support/node-process.ts'
import { Cli } from './cli-process.ts'

// Real nodes behind TLS, and the clients that people have: curl, and the command line.

const run = promisify(execFile)

let folder: string
let data: string
let port: number
let node: NodeProcess | undefined

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-tls-'))
  data = join(folder, 'data')
  await mkdir(join(folder, 'home'))
  port = await freePort()
})
afterEach(async () => {
  if (node?.child.exitCode === null && node.child.signalCode === null) await node.kill()
  node = undefined
  await rm(folder, { recursive: true, force: true })
})

async function start(ca: string, ...flags: string[]): Promise<NodeProcess> {
  node = await startNodeProcess({ data, port, flags, tlsAuthority: ca, environment: { SHOAL_LOG_LEVEL: 'info' } })
  return node
}

async function curl(...args: string[]): Promise<string> {
  return (await run('curl', ['-sS', '--max-time', '20', '-u', `${ACCESS_KEY}:${SECRET_KEY}`, ...args])).stdout
}

async function putPair(): Promise<string> {
  const pair = await makeCertificate({
    names: { hosts: ['localhost'], addresses: ['127.0.0.1'] },
    notBeforeMs: Date.now() - 60_000,
    notAfterMs: Date.now() + 86_400_000 * 60,
    serialNumber: randomBytes(8),
  })
  await writeFile(join(folder, 'key.pem'), pair.key, { mode: 0o600 })
  await writeFile(join(folder, 'cert.pem'), pair.certificate)
  return inspectPair(pair).fingerprint
}

test('a trial node encrypts both ports; curl trusts it by its certificate, and the command line by the data folder', async () => {
  const certificate = join(data, 'tls-certificate.pem')
  const { origin } = await start(certificate, '--tls-self-signed')
  assert.equal(origin, `https://127.0.0.1:${port}`)
  for (const name of ['tls-certificate.pem', 'tls-key.pem']) assert.equal((await stat(join(data, name))).mode & 0o777, 0o600)
  for (const host of ['127.0.0.1', 'localhost']) {
    const status = JSON.parse(await curl('--cacert', certificate, `https://${host}:${port}/api/v1/status`)) as { state: string }
    assert.equal(status.state, 'serving')
  }
  await assert.rejects(curl(origin), /certificate/)
  assert.match(await curl(`http://127.0.0.1:${port}/api/v1/status`), /write https:\/\/ instead of http:\/\//)

  const cli = new Cli(origin, join(folder, 'home'))
  const file = join(folder, 'file')
  await writeFile(file, randomBytes(20_000_000))
  await cli.run('volume', 'create', 'docs', '--data', data)
  await cli.run('cp', '--verify', file, 'docs:/file', '--data', data)
  await cli.run('cp', 'docs:/file', join(folder, 'back'), '--data', data)
  assert.ok((await readFile(file)).equals(await readFile(join(folder, 'back'))))
  const copy = join(folder, 'ca.pem')
  await copyFile(certificate, copy)
  assert.match(await cli.run('ls', 'docs:/', '--ca-file', copy), /file/)

  const stranger = await cli.start('ls', 'docs:/').ended
  assert.notEqual(stranger.code, 0)
  assert.match(stranger.err, /signed by nobody who is trusted here\. Name .* --ca-file/)
  const plain = await new Cli(`http://127.0.0.1:${port}`, join(folder, 'home')).start('ls', 'docs:/').ended
  assert.match(plain.err, /write https:\/\/ instead of http:\/\//)
  assert.equal(await node?.stop(), 0)
})

test('SIGHUP takes the pair that is there now, a broken one is refused, and nothing else stops', async () => {
  const first = await putPair()
  const certificate = join(folder, 'cert.pem')
  const trusted = join(folder, 'trusted.pem')
  await copyFile(certificate, trusted)
  const { child, log } = await start(trusted, '--tls-cert', certificate, '--tls-key', join(folder, 'key.pem'))
  const status = ['--cacert', trusted, `https://localhost:${port}/api/v1/status`]
  assert.match(await curl(...status), /serving/)

  await writeFile(certificate, 'nothing')
  child.kill('SIGHUP')
  await logged(log, /certificate not replaced: the one before stays in use/)
  assert.match(await curl(...status), /serving/)

  const second = await putPair()
  assert.notEqual(second, first)
  child.kill('SIGHUP')
  await logged(log, new RegExp(`${second}.*certificate replaced`))
  await assert.rejects(curl(...status), /certificate/)
  await copyFile(certificate, trusted)
  assert.match(await curl(...status), /serving/)
  assert.ok(!log().includes('PRIVATE KEY'))
  assert.equal(await node?.stop(), 0)
})

async function logged(log: () => string, line: RegExp): Promise<void> {
  for (let waitedMs = 0; waitedMs < 10_000; waitedMs += 20) {
    if (line.test(log())) return
    await delay(20)
  }
  assert.fail(`no ${line} in:\n${log()}`)
}
