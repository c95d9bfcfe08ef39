import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { beforeEach, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { isShoalError } from '#foundation/errors.ts'
import { inspectPair } from '#gateway/http/inspect-pair.ts'
import type { TlsPair } from '#gateway/http/tls-material.ts'
import type { LogFields } from '#observe/log.ts'
import { silentLog } from '#observe/log.ts'
import { PromMetrics } from '#observe/prom-metrics.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { makeCertificate } from './make-certificate.ts'
import { NodeTls } from './node-tls.ts'

const DAY_MS = 86_400_000
const CONFIGURED = { host: '0.0.0.0', tls: { cert: '/etc/tls/cert.pem', key: '/etc/tls/key.pem', selfSigned: false } }
const SELF_SIGNED = { host: '127.0.0.1', tls: { cert: undefined, key: undefined, selfSigned: true } }

let files: MemoryFiles
let clock: ManualClock
let log: { level: string; message: string; fields: LogFields }[]
let addresses: string[]
let hostName: string

beforeEach(async () => {
  files = new MemoryFiles()
  clock = new ManualClock()
  log = []
  addresses = ['192.0.2.7', '2001:db8::7']
  hostName = 'Atlantic'
  await files.makeFolder('/etc/tls')
  await files.makeFolder('/data')
})

function open(config: Parameters<typeof NodeTls.open>[0]): Promise<NodeTls | undefined> {
  const write =
    (level: string) =>
    (message: string, fields: LogFields = {}) =>
      void log.push({ level, message, fields })
  return NodeTls.open(config, '/data', {
    files,
    clock,
    random: nodeRandom,
    machine: { hostName, addresses: () => addresses },
    metrics: new PromMetrics(),
    log: { ...silentLog, info: write('info'), warn: write('warn'), error: write('error') },
  })
}

async function opened(config: Parameters<typeof NodeTls.open>[0]): Promise<NodeTls> {
  const tls = await open(config)
  assert.ok(tls !== undefined)
  return tls
}

function make(days: { from: number; to: number } = { from: -1, to: 90 }): Promise<TlsPair> {
  return makeCertificate({
    names: { hosts: ['files.example'], addresses: [] },
    notBeforeMs: clock.nowMs() + days.from * DAY_MS,
    notAfterMs: clock.nowMs() + days.to * DAY_MS,
    serialNumber: nodeRandom.bytes(8),
  })
}

async function put(pair: Partial<TlsPair>, mode = 0o600): Promise<void> {
  if (pair.key !== undefined) await files.publish('/etc/tls/key.pem', [Buffer.from(pair.key)], { mode })
  if (pair.certificate !== undefined) await files.publish('/etc/tls/cert.pem', [Buffer.from(pair.certificate)])
}

async function pass(ms: number): Promise<void> {
  clock.advance(ms)
  for (let turn = 0; turn < 50; turn += 1) await setImmediate()
}

const lines = (level: string) => log.filter((line) => line.level === level).map(({ message }) => message)

test('without settings there is no TLS', async () => {
  assert.equal(await open({ host: '127.0.0.1', tls: { cert: undefined, key: undefined, selfSigned: false } }), undefined)
})

test('a pair that is replaced is in use within a minute, without a signal', async () => {
  const [first, second] = [await make(), await make()]
  await put(first)
  const tls = await opened(CONFIGURED)
  tls.start()
  assert.equal(tls.fingerprint, inspectPair(first).fingerprint)
  await put(second)
  await pass(59_000)
  assert.equal(tls.fingerprint, inspectPair(first).fingerprint)
  await pass(1_000)
  assert.equal(tls.fingerprint, inspectPair(second).fingerprint)
  assert.deepEqual(tls.material.pair, second)
  assert.deepEqual(lines('info'), ['certificate replaced'])
  await tls.stop()
})

test('a reload that is asked for looks at once, and says what came of it', async () => {
  const [first, second] = [await make(), await make()]
  await put(first)
  const tls = await opened(CONFIGURED)
  await tls.reload()
  await put(second)
  await tls.reload()
  assert.deepEqual(tls.material.pair, second)
  assert.deepEqual(lines('info'), ['certificate unchanged', 'certificate replaced'])
})

test('while certificate and key do not fit, the pair before stays, one line says so, and the rest of the pair is taken', async () => {
  const [first, second] = [await make(), await make()]
  await put(first)
  const tls = await opened(CONFIGURED)
  tls.start()
  await put({ certificate: second.certificate })
  for (let minute = 0; minute < 3; minute += 1) await pass(60_000)
  assert.deepEqual(tls.material.pair, first)
  assert.equal(lines('error').length, 1)
  assert.match(String(log.at(-1)?.fields['reason']), /belongs to another/)
  await put({ key: second.key })
  await pass(60_000)
  assert.deepEqual(tls.material.pair, second)
  await tls.stop()
})

const REFUSED: readonly { readonly what: string; readonly change: () => Promise<void>; readonly says: RegExp }[] = [
  { what: 'an empty file', change: () => put({ certificate: '' }), says: /no "-----BEGIN/ },
  { what: 'a file that is gone', change: async () => void (await files.remove('/etc/tls/key.pem')), says: /doesn't exist/ },
  { what: 'a pair that has run out', change: async () => put(await make({ from: -20, to: -10 })), says: /ran out/ },
  { what: 'a pair of the future', change: async () => put(await make({ from: 1, to: 20 })), says: /not valid before/ },
  { what: 'a file of any size', change: () => put({ certificate: 'x'.repeat(2_000_000) }), says: /too large/ },
]

for (const { what, change, says } of REFUSED) {
  test(`${what} is not taken, and the log says why without showing a key`, async () => {
    const first = await make()
    await put(first)
    const tls = await opened(CONFIGURED)
    await change()
    await tls.reload()
    assert.deepEqual(tls.material.pair, first)
    assert.match(String(log.at(-1)?.fields['reason']), says)
    assert.ok(!JSON.stringify(log).includes(first.key.slice(40, 80)))
  })
}

test('a node does not start with a pair that it can not use', async () => {
  const pair = await make()
  await assert.rejects(open(CONFIGURED), (error) => isShoalError(error, 'INVALID_ARGUMENT') && /tls\.cert/.test(error.message))
  await put({ ...pair, key: (await make()).key })
  await assert.rejects(open(CONFIGURED), (error) => isShoalError(error, 'INVALID_ARGUMENT'))
})

test('the end of a certificate is told of each day from two weeks before, and a key that everybody can read at the start', async () => {
  await put(await make({ from: -1, to: 16 }), 0o644)
  const tls = await opened(CONFIGURED)
  assert.match(lines('warn').join(), /can be read by everybody/)
  tls.start()
  const ends = () => lines('warn').filter((line) => /runs out soon/.test(line)).length
  assert.equal(ends(), 0)
  for (let hour = 0; hour < 24 * 5; hour += 1) await pass(3_600_000)
  assert.ok(ends() >= 3 && ends() <= 4, `${ends()}`)
  for (let day = 0; day < 12; day += 1) await pass(DAY_MS)
  assert.match(lines('error').join(), /has run out/)
  await tls.stop()
})

test('the first start makes a certificate for loopback and the host, private in the data folder, and later ones keep it', async () => {
  const tls = await opened(SELF_SIGNED)
  for (const name of ['tls-certificate.pem', 'tls-key.pem']) assert.equal((await files.facts(`/data/${name}`))?.mode, 0o600)
  const certificate = new X509Certificate((await files.read('/data/tls-certificate.pem'))!)
  for (const host of ['localhost', 'atlantic']) assert.ok(certificate.checkHost(host), host)
  for (const ip of ['127.0.0.1', '::1']) assert.ok(certificate.checkIP(ip), ip)
  assert.equal(certificate.checkIP('192.0.2.7'), undefined)
  assert.equal(certificate.ca, false)
  assert.equal((await opened(SELF_SIGNED)).fingerprint, tls.fingerprint)
})

test('a node on all addresses has a certificate for all of them, and another one when they change', async () => {
  await opened(SELF_SIGNED)
  const everywhere = await opened({ ...SELF_SIGNED, host: '0.0.0.0' })
  const certificate = () => new X509Certificate(everywhere.material.pair.certificate)
  for (const ip of addresses) assert.ok(certificate().checkIP(ip), ip)
  addresses = ['192.0.2.8']
  await everywhere.reload()
  assert.ok(certificate().checkIP('192.0.2.8'))
  assert.match(String(log.findLast(({ message }) => message === 'made a certificate')?.fields['why']), /not for 192\.0\.2\.8/)
})

test('odd names of hosts do not stop a certificate from being made', async () => {
  for (const name of ['my_host', '-x-', 'ü', 'a..b']) {
    hostName = name
    assert.ok(new X509Certificate((await opened(SELF_SIGNED)).material.pair.certificate).checkHost('localhost'))
  }
})

test('a certificate of its own is renewed before it runs out, while the node runs', async () => {
  const tls = await opened(SELF_SIGNED)
  tls.start()
  const first = tls.fingerprint
  for (let half = 0; half < 2 * 334; half += 1) await pass(DAY_MS / 2)
  assert.equal(tls.fingerprint, first)
  for (let half = 0; half < 4; half += 1) {
    await pass(DAY_MS / 2)
    await tls.reload()
  }
  assert.notEqual(tls.fingerprint, first)
  assert.ok(inspectPair(tls.material.pair).notAfterMs > clock.nowMs() + 360 * DAY_MS)
  await tls.stop()
})

test('a key and a certificate of different times, as a crash may leave them, are made anew', async () => {
  const tls = await opened(SELF_SIGNED)
  await files.publish('/data/tls-key.pem', [Buffer.from((await make()).key)], { mode: 0o600 })
  assert.notEqual((await opened(SELF_SIGNED)).fingerprint, tls.fingerprint)
})
