import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { caller, openFixture } from './volume-fixture.suite.ts'

const code = (expected: Parameters<typeof isShoalError>[1]) => (error: unknown) => isShoalError(error, expected)

test('settings are made with the bucket, changed by what they are, and seen at once', async () => {
  const { volumes } = await openFixture()
  const info = await volumes.createBucket('photos', { settings: { tags: [['a', '1']] }, caller })
  assert.equal(info.owner, caller.principal)
  const before = await volumes.openBucket('photos')
  assert.deepEqual(before.settings, { tags: [['a', '1']] })
  assert.equal(await volumes.openBucket('photos'), before, 'nothing has changed')
  const change = (settings: object) => ({ ...settings, ownership: 'ObjectWriter' as const })
  const changed = await volumes.changeSettings('photos', { caller, change })
  assert.deepEqual(changed, { tags: [['a', '1']], ownership: 'ObjectWriter' })
  const after = await volumes.openBucket('photos')
  assert.notEqual(after, before)
  assert.deepEqual(after.settings, changed)
  assert.deepEqual((await volumes.openBucket('docs')).settings, {}, 'those of others stay')
})

test('a change that throws, or is too large, changes nothing', async () => {
  const { volumes } = await openFixture()
  const refuse = () => {
    throw new Error('no')
  }
  await assert.rejects(volumes.changeSettings('docs', { caller, change: refuse }), /no/)
  const large = () => ({ policy: 'x'.repeat(1024 * 1024) })
  await assert.rejects(volumes.changeSettings('docs', { caller, change: large }), code('TOO_LARGE'))
  await assert.rejects(volumes.changeSettings('none', { caller, change: (settings) => settings }), code('VOLUME_NOT_FOUND'))
  assert.deepEqual((await volumes.openBucket('docs')).settings, {})
})

test('settings go with their volume', async () => {
  const { volumes } = await openFixture()
  await volumes.createBucket('photos', { settings: { policy: '{}' }, caller })
  await volumes.remove('photos', { caller })
  await volumes.create('photos', {}, { principal: 'another' })
  const { info, settings } = await volumes.openBucket('photos')
  assert.deepEqual([info.owner, settings], ['another', {}])
})

test('a volume with object lock keeps its versions, and is only removed when nothing is left in it', async () => {
  const { volumes } = await openFixture()
  await assert.rejects(volumes.createBucket('bad', { settings: { objectLock: {} }, caller }), code('CONFLICT'))
  await volumes.createBucket('safe', { policy: { versioning: 'enabled' }, settings: { objectLock: {} }, caller })
  await assert.rejects(volumes.update('safe', { versioning: 'suspended' }, caller), code('CONFLICT'))
  const lock = (settings: object) => ({ ...settings, objectLock: {} })
  await assert.rejects(volumes.changeSettings('docs', { caller, change: lock }), code('CONFLICT'))
  const volume = await volumes.open('safe')
  await volume.writeFile(['kept'], Buffer.from('x'), { caller })
  await assert.rejects(volumes.remove('safe', { caller, force: true }), code('VOLUME_NOT_EMPTY'))
  await volume.remove(['kept'], { caller })
  await assert.rejects(volumes.remove('safe', { caller, force: true }), code('VOLUME_NOT_EMPTY'), 'its version is left')
  await volumes.create('plain', {}, caller)
  await (await volumes.open('plain')).writeFile(['gone'], Buffer.from('x'), { caller })
  await volumes.remove('plain', { caller, force: true })
})
