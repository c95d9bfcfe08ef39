import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LifecycleRule } from './bucket-settings.ts'
import { DAY_MS } from './lifecycle-rules.ts'
import type { Objects } from './objects.ts'
import { caller, type Fixture, ManualClock, openFixture } from './volume-fixture.suite.ts'

const rule = (changes: Partial<LifecycleRule>): LifecycleRule => ({
  id: 'r',
  isEnabled: true,
  form: 'filter',
  filter: {},
  ...changes,
})

interface Trial extends Fixture {
  readonly objects: Objects
  put(key: string, properties?: object): Promise<string>
  /** Keys and, behind a star, delete markers with every version there is. */
  list(): Promise<string[]>
}

async function open(rules: readonly LifecycleRule[], versioning: 'off' | 'enabled' | 'suspended' = 'off'): Promise<Trial> {
  const fixture = await openFixture({ clock: new ManualClock() })
  const { volumes } = fixture
  await volumes.createBucket('photos', { policy: { versioning }, settings: { lifecycle: rules }, caller })
  const objects = await volumes.openObjects('photos')
  return {
    ...fixture,
    objects,
    async put(key, properties = {}) {
      return (await objects.put(key, Buffer.from('x'), { caller, properties: () => properties })).versionId
    },
    async list() {
      const { items } = await objects.listVersions({ limit: 1_000 })
      return items.map((item) => ('object' in item ? item.object.key : 'marker' in item ? `*${item.marker.key}` : ''))
    },
  }
}

test('objects expire when their time has come, and others stay', async () => {
  const { volumes, clock, put, list } = await open([rule({ filter: { prefix: 'old/' }, expiration: { days: 1 } })])
  for (const key of ['old/a', 'old/b/c', 'new/a', 'older']) await put(key)
  assert.deepEqual(await volumes.applyLifecycle(), { removed: 0, uploads: 0 })
  clock.advance(2 * DAY_MS)
  await put('old/young')
  assert.deepEqual(await volumes.applyLifecycle(), { removed: 2, uploads: 0 })
  assert.deepEqual(await list(), ['new/a', 'old/young', 'older'])
})

test('more than a page, and more than a step, is looked through', async () => {
  const rules = [rule({ filter: { tags: [['temporary', 'yes']] }, expiration: { days: 1 } })]
  const { volumes, clock, put, list } = await open(rules)
  for (let at = 0; at < 1_200; at += 1) {
    const properties = at % 10 === 0 ? {} : { tags: [['temporary', 'yes']] }
    await put(`${String(at).padStart(4, '0')}`, properties)
  }
  clock.advance(2 * DAY_MS)
  assert.equal((await volumes.applyLifecycle()).removed, 1_080)
  assert.equal((await list()).length, 120)
})

test('with versions an expired object leaves a delete marker, which goes when nothing is behind it any more', async () => {
  const rules = [rule({ expiration: { days: 10 }, noncurrent: { days: 2 } })]
  const { volumes, clock, put, list } = await open(rules, 'enabled')
  await put('a')
  await put('a')
  assert.deepEqual(await list(), ['a', 'a'])
  clock.advance(3 * DAY_MS)
  await volumes.applyLifecycle()
  assert.deepEqual(await list(), ['a'], 'what was replaced is gone')
  clock.advance(8 * DAY_MS)
  await volumes.applyLifecycle()
  assert.deepEqual(await list(), ['*a', 'a'])
  clock.advance(3 * DAY_MS)
  await volumes.applyLifecycle()
  assert.deepEqual(await list(), ['*a'])
  clock.advance(8 * DAY_MS)
  await volumes.applyLifecycle()
  assert.deepEqual(await list(), [])
})

test('what a hold or a retention protects is not removed', async () => {
  const rules = [rule({ expiration: { days: 1 }, noncurrent: { days: 1 } })]
  const { volumes, clock, put, list, objects } = await open(rules)
  await put('held', { legalHold: true })
  await put('retained', { retention: { mode: 'GOVERNANCE', untilMs: clock.nowMs() + 5 * DAY_MS } })
  clock.advance(3 * DAY_MS)
  assert.deepEqual(await volumes.applyLifecycle(), { removed: 0, uploads: 0 })
  assert.deepEqual(await list(), ['held', 'retained'])
  clock.advance(3 * DAY_MS)
  await volumes.applyLifecycle()
  assert.deepEqual(await list(), ['held'])
  await objects.change('held', { caller, change: ({ legalHold: _, ...rest }) => rest })
  await volumes.applyLifecycle()
  assert.deepEqual(await list(), [])
})

test('a file whose mtime was set to long ago has its time from when it came', async () => {
  const { volumes, clock, list } = await open([rule({ expiration: { days: 10 } })])
  const volume = await volumes.open('photos')
  await volume.writeFile(['copied'], Buffer.from('x'), { caller, attributes: { mtimeNs: 0n } })
  await volumes.applyLifecycle()
  assert.deepEqual(await list(), ['copied'])
  clock.advance(11 * DAY_MS)
  await volumes.applyLifecycle()
  assert.deepEqual(await list(), [])
})

test('abandoned uploads end', async () => {
  const { volumes, clock, objects } = await open([rule({ filter: { prefix: 'a' }, abortUploadsDays: 1 })])
  await objects.beginUpload('a', { caller, properties: {} })
  await objects.beginUpload('b', { caller, properties: {} })
  assert.deepEqual(await volumes.applyLifecycle(), { removed: 0, uploads: 0 })
  clock.advance(2 * DAY_MS)
  assert.deepEqual(await volumes.applyLifecycle(), { removed: 0, uploads: 1 })
  assert.deepEqual(
    (await objects.listUploads('')).map(({ key }) => key),
    ['b'],
  )
})

test('a bucket that goes meanwhile, and rules that are off, disturb nothing', async () => {
  const { volumes, clock, put, list } = await open([rule({ isEnabled: false, expiration: { days: 1 } })])
  await put('a')
  clock.advance(9 * DAY_MS)
  assert.deepEqual(await volumes.applyLifecycle(), { removed: 0, uploads: 0 })
  assert.deepEqual(await list(), ['a'])
})
