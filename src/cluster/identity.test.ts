import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, test } from 'node:test'
import { nodeUri } from '#foundation/node-uri.ts'
import { silentLog } from '#observe/log.ts'
import { openDataFolder } from '#platform/data-folder.ts'
import type { DataFolder } from '#platform/data-folder.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { ClusterIdentity } from './identity.ts'
import { addKey, makeKey } from './key-ring.ts'

const DAY_MS = 86_400_000
const PATH = '/data/cluster/identity.json'

let files: MemoryFiles
let clock: ManualClock

beforeEach(() => {
  files = new MemoryFiles()
  clock = new ManualClock()
})

async function openFolder(): Promise<DataFolder> {
  return openDataFolder('/data', { files, random: nodeRandom, version: '0.1.0' })
}

/** As a start of the node does it, and its end. */
async function start(): Promise<ClusterIdentity> {
  const folder = await openFolder()
  try {
    return await ClusterIdentity.open(folder, { files, clock, random: nodeRandom, log: silentLog })
  } finally {
    await folder.close()
  }
}

describe('the first start of a node', () => {
  test('founds a cluster with an authority of its own, and certifies the node', async () => {
    const identity = await start()
    const folder = await openFolder()
    assert.deepEqual(identity.name, { clusterId: folder.clusterId, nodeId: folder.nodeId })
    const authority = new X509Certificate(identity.authority.certificate)
    const own = new X509Certificate(identity.keys.pair!.certificate)
    assert.ok(authority.ca && own.verify(authority.publicKey) && !own.ca)
    assert.equal(own.subjectAltName, `URI:${nodeUri(identity.name)}`)
    assert.deepEqual(own.keyUsage?.toSorted(), ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'])
    const years = (certificate: X509Certificate): number =>
      Math.round((Date.parse(certificate.validTo) - clock.nowMs()) / (365 * DAY_MS))
    assert.deepEqual([years(own), years(authority)], [1, 10])
    assert.equal(identity.fingerprint, authority.fingerprint256.replaceAll(':', '').toLowerCase())
  })

  test('keeps it where nobody else can read it', async (context) => {
    const root = await mkdtemp(join(tmpdir(), 'shoal-identity-'))
    context.after(() => rm(root, { recursive: true, force: true }))
    const folder = await openDataFolder(root, { files: nodeFiles, random: nodeRandom, version: '0.1.0' })
    await ClusterIdentity.open(folder, { files: nodeFiles, clock, random: nodeRandom, log: silentLog })
    await folder.close()
    const own = join(root, 'cluster')
    assert.deepEqual(await nodeFiles.list(own), ['identity.json'])
    const modes = [own, join(own, 'identity.json')].map(async (path) => (await nodeFiles.facts(path))?.mode)
    assert.deepEqual(await Promise.all(modes), [0o700, 0o600])
  })

  test('cut off at any step is followed by one that succeeds, and an identity once there stays', async () => {
    let steps = 0
    for (let isDone = false; !isDone; steps += 1) {
      files = new MemoryFiles({ seed: steps })
      await (await openFolder()).close()
      files.cutPowerAfter(steps)
      isDone = await start().then(
        () => !files.powerIsCut,
        () => false,
      )
      files.crash()
      const left = await files.read(PATH)
      const first = await start()
      if (left !== undefined) assert.deepEqual(await files.read(PATH), left)
      const second = await start()
      assert.deepEqual([second.name, second.keys, second.gossip], [first.name, first.keys, first.gossip])
    }
    assert.ok(steps > 5, `only ${steps} steps`)
  })
})

describe('a node that comes back', () => {
  test('is itself again', async () => {
    const first = await start()
    clock.advance(100 * DAY_MS)
    const second = await start()
    assert.deepEqual(
      [second.name, second.keys, second.authority, second.gossip],
      [first.name, first.keys, first.authority, first.gossip],
    )
  })

  test('after its certificate has run out has another one, of the same authority', async () => {
    const first = await start()
    clock.advance(400 * DAY_MS)
    const second = await start()
    assert.notEqual(second.keys.pair!.key, first.keys.pair!.key)
    assert.equal(second.fingerprint, first.fingerprint)
    assert.ok(Date.parse(new X509Certificate(second.keys.pair!.certificate).validTo) > clock.nowMs() + 300 * DAY_MS)
  })

  const damages: readonly [string, (text: string) => string, RegExp][] = [
    ['that is cut', (text) => text.slice(0, -20), /it is no JSON/],
    ['of another format', (text) => text.replace('"format": 1', '"format": 2'), /its format is not 1/],
    ['without gossip keys', (text) => text.replace('"gossip"', '"gosip"'), /gossip keys have no meaning/],
    [
      'for another node',
      (text) => text.replace(/(shoal:\/\/\w{32}\/)\w{32}/, `$1${'0'.repeat(32)}`),
      /the certificate is for "URI:shoal/,
    ],
    ['with a changed certificate', (text) => text.replace(/(BEGIN CERTIFICATE-----\\n.{80})./, '$1!'), /damaged/],
  ]
  for (const [name, damage, message] of damages) {
    test(`with an identity ${name} does not start`, async () => {
      await start()
      const text = String(await files.read(PATH))
      const damaged = damage(text)
      assert.notEqual(damaged, text)
      await files.publish(PATH, [Buffer.from(damaged)])
      await assert.rejects(start(), { code: 'DATA_FORMAT', message })
    })
  }

  test('with the identity or the keys of another node does not start', async () => {
    const first = await start()
    const [own, ownFiles] = [JSON.parse(String(await files.read(PATH))) as Record<string, unknown>, files]
    files = new MemoryFiles()
    await start()
    const other = (await files.read(PATH))!
    files = ownFiles
    await files.publish(PATH, [other])
    await assert.rejects(start(), { code: 'DATA_FORMAT', message: /is of node .* and the data folder of node/ })
    const stolen = { ...own, authority: (JSON.parse(String(other)) as Record<string, unknown>).authority }
    await files.publish(PATH, [Buffer.from(JSON.stringify(stolen))])
    await assert.rejects(start(), { code: 'DATA_FORMAT', message: /the certificate is not of its authority/ })
    assert.ok(first.fingerprint.length === 64)
  })
})

describe('while a node runs', () => {
  test('its certificate is renewed 30 days before it runs out, and not before', async () => {
    const identity = await start()
    const before = identity.keys.pair
    clock.advance(334 * DAY_MS)
    assert.equal(await identity.renewIfDue(), false)
    clock.advance(2 * DAY_MS)
    assert.equal(await identity.renewIfDue(), true)
    assert.notDeepEqual(identity.keys.pair, before)
    assert.equal(await identity.renewIfDue(), false)
    assert.deepEqual((await start()).keys, identity.keys)
  })

  test('each step of a rotation of gossip keys is kept', async () => {
    const identity = await start()
    const key = makeKey(nodeRandom)
    const ring = await identity.changeGossip((each) => addKey(each, key))
    assert.equal(ring.keys.length, 2)
    assert.deepEqual((await start()).gossip, ring)
    await assert.rejects(
      identity.changeGossip((each) => addKey(each, { ...makeKey(nodeRandom), id: key.id })),
      { code: 'CONFLICT' },
    )
    assert.deepEqual(identity.gossip, ring)
  })
})
