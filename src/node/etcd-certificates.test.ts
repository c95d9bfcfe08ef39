import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeAuthority } from '#cluster/certificates.ts'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { EtcdCertificates } from './etcd-certificates.ts'

const DAY_MS = 86_400_000
const name = { clusterId: 'c1'.repeat(16), nodeId: 'a0'.repeat(16) as NodeId }

test('the certificate of etcd is for the addresses of its node, stays while it is good, and is replaced before it runs out', async (t) => {
  const dataPath = await mkdtemp(join(tmpdir(), 'shoal-etcd-tls-'))
  t.after(() => rm(dataPath, { recursive: true }))
  const clock = new ManualClock(Date.now())
  const authority = await makeAuthority(name.clusterId, clock.nowMs(), nodeRandom)
  const ports = { files: nodeFiles, clock, random: nodeRandom, log: silentLog }
  const open = (places: readonly string[], identity = { name, authority }) =>
    EtcdCertificates.open({ dataPath, identity, places, ...ports })
  const first = await open(['10.1.2.3', 'node1.example.com', '0.0.0.0'])
  const certificate = new X509Certificate(first.keys.cert)
  assert.equal(certificate.checkIP('10.1.2.3'), '10.1.2.3')
  assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(certificate.checkHost('node1.example.com'), 'node1.example.com')
  assert.equal(certificate.checkIP('0.0.0.0'), undefined)
  assert.ok(certificate.verify(new X509Certificate(authority.certificate).publicKey))
  const kept = String(await nodeFiles.read(first.files.certFile))
  assert.ok(kept.includes('BEGIN CERTIFICATE') && kept.includes('BEGIN PRIVATE KEY'))
  assert.equal(first.files.keyFile, first.files.certFile)

  assert.equal(new X509Certificate((await open(['10.1.2.3'])).keys.cert).serialNumber, certificate.serialNumber)
  const moved = await open(['10.9.9.9'])
  assert.equal(new X509Certificate(moved.keys.cert).checkIP('10.9.9.9'), '10.9.9.9')
  assert.equal(await moved.renewIfDue(), false)
  clock.advance(336 * DAY_MS)
  assert.equal(await moved.renewIfDue(), true)
  assert.ok(Date.parse(new X509Certificate(moved.keys.cert).validTo) > clock.nowMs() + 300 * DAY_MS)

  const other = await makeAuthority(name.clusterId, clock.nowMs(), nodeRandom)
  const foreign = await open(['10.9.9.9'], { name, authority: other })
  assert.ok(new X509Certificate(foreign.keys.cert).verify(new X509Certificate(other.certificate).publicKey))
  assert.equal(String(await nodeFiles.read(foreign.files.caFile)), other.certificate)
})
