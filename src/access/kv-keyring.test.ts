import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { openMemoryStore } from '#kv/memory.ts'
import type { KeyValueStore } from '#kv/store.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { KeySeal } from './key-seal.ts'
import { findIn } from './keyring.ts'
import { KvKeyring } from './kv-keyring.ts'
import { ROOT } from './principal.ts'

const clock = new ManualClock()
const seal = new KeySeal(Buffer.alloc(32, 7), nodeRandom)

async function openKeyring(kv: KeyValueStore, options: { seal?: KeySeal; changed?: () => void } = {}): Promise<KvKeyring> {
  return KvKeyring.open({ kv, seal, clock, random: nodeRandom, changed() {}, ...options })
}

test('a principal has several keys, and each of them is found until it is disabled or removed', async () => {
  const kv = openMemoryStore()
  let changes = 0
  const keyring = await openKeyring(kv, { changed: () => (changes += 1) })
  const one = await keyring.create({ principal: 'alice' })
  const two = await keyring.create({ principal: 'alice', description: 'laptop' })
  assert.match(one.accessKey, /^[A-Z2-9]{20}$/)
  assert.match(one.secretKey, /^[\w-]{40}$/)
  assert.deepEqual(keyring.find(two.accessKey), {
    accessKey: two.accessKey,
    secretKey: two.secretKey,
    principal: { name: 'alice', kind: 'user' },
  })
  assert.deepEqual(new Set(keyring.list().map(({ accessKey }) => accessKey)), new Set([one.accessKey, two.accessKey]))
  assert.ok(!JSON.stringify(keyring.list(), (_, v) => (typeof v === 'bigint' ? String(v) : v)).includes(one.secretKey))

  assert.equal((await keyring.update(one.accessKey, { enabled: false })).enabled, false)
  assert.equal(keyring.find(one.accessKey), undefined)
  assert.equal(keyring.get(one.accessKey)?.enabled, false)
  await keyring.update(one.accessKey, { enabled: true })
  assert.equal(keyring.find(one.accessKey)?.secretKey, one.secretKey)
  await keyring.remove(one.accessKey)
  assert.equal(keyring.find(one.accessKey), undefined)
  assert.equal(changes, 5)
})

test('a rotated key has another secret, and the one before proves nothing', async () => {
  const keyring = await openKeyring(openMemoryStore())
  const { accessKey, secretKey } = await keyring.create({ principal: 'alice', accessKey: 'ALICE', secretKey: 'first-secret' })
  assert.deepEqual([accessKey, secretKey], ['ALICE', 'first-secret'])
  const rotated = await keyring.rotate('ALICE')
  assert.notEqual(rotated.secretKey, secretKey)
  assert.equal(keyring.find('ALICE')?.secretKey, rotated.secretKey)
  assert.equal((await keyring.rotate('ALICE', 'third-secret')).secretKey, 'third-secret')
})

test('keys outlive the process, with their secrets sealed', async () => {
  const kv = openMemoryStore()
  const keyring = await openKeyring(kv)
  const key = await keyring.create({ principal: 'alice', description: 'backup' })
  const off = await keyring.create({ principal: 'bob' })
  await keyring.update(off.accessKey, { enabled: false })
  const again = await openKeyring(kv)
  assert.deepEqual(again.list(), keyring.list())
  assert.equal(again.find(key.accessKey)?.secretKey, key.secretKey)
  assert.equal(again.find(off.accessKey), undefined)
  for await (const { value } of kv.range({})) assert.ok(!value.includes(key.secretKey))
})

test('without the right seal no key opens, and the start says so', async () => {
  const kv = openMemoryStore()
  await (await openKeyring(kv)).create({ principal: 'alice' })
  const other = new KeySeal(Buffer.alloc(32, 8), nodeRandom)
  await assert.rejects(
    openKeyring(kv, { seal: other }),
    (error) => isShoalError(error, 'DATA_FORMAT') && /access-key-seal/.test(error.message),
  )
})

test('what is sealed opens with its own name only, and only unchanged', () => {
  const sealed = seal.seal('A', 'secret')
  assert.equal(seal.open('A', sealed), 'secret')
  assert.equal(seal.open('B', sealed), undefined)
  assert.equal(seal.open('A', sealed.subarray(1)), undefined)
  assert.equal(seal.open('A', Buffer.alloc(3)), undefined)
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed)
    changed[at] = (changed[at] as number) ^ 1
    assert.equal(seal.open('A', changed), undefined, `byte ${at}`)
  }
})

test('what can not be a key is refused', async () => {
  const keyring = await openKeyring(openMemoryStore())
  await keyring.create({ principal: 'alice', accessKey: 'ALICE' })
  const refused = (code: 'INVALID_ARGUMENT' | 'ALREADY_EXISTS' | 'NOT_FOUND') => (error: unknown) => isShoalError(error, code)
  await assert.rejects(keyring.create({ principal: 'alice', accessKey: 'ALICE' }), refused('ALREADY_EXISTS'))
  for (const wrong of [
    { principal: '' },
    { principal: 'anonymous' },
    { principal: 'alice', accessKey: 'a/b' },
    { principal: 'alice', secretKey: 'short' },
    { principal: 'alice', secretKey: 'with space' },
    { principal: 'alice', description: 'x'.repeat(201) },
  ]) {
    await assert.rejects(keyring.create(wrong), refused('INVALID_ARGUMENT'), JSON.stringify(wrong))
  }
  await assert.rejects(keyring.rotate('BOB'), refused('NOT_FOUND'))
  await assert.rejects(keyring.update('BOB', { enabled: true }), refused('NOT_FOUND'))
  await assert.rejects(keyring.remove('BOB'), refused('NOT_FOUND'))
})

test('the root key goes before one of the same name', async () => {
  const keyring = await openKeyring(openMemoryStore())
  await keyring.create({ principal: 'alice', accessKey: 'SAME', secretKey: 'alices-secret' })
  const root = { accessKey: 'SAME', secretKey: 'roots-secret', principal: ROOT }
  assert.equal(findIn(root, keyring)('SAME'), root)
})

test('keys that others have changed in the store count once it was read anew, and those that are gone no longer do', async () => {
  const kv = openMemoryStore()
  const other = await openKeyring(kv)
  const gone = await other.create({ principal: 'alice' })
  let changes = 0
  const keyring = new KvKeyring({ kv, seal, clock, random: nodeRandom, changed: () => (changes += 1) })
  assert.deepEqual(keyring.list(), [])
  await keyring.reload()
  assert.equal(keyring.find(gone.accessKey)?.secretKey, gone.secretKey)
  await other.remove(gone.accessKey)
  const come = await other.create({ principal: 'bob' })
  await keyring.reload()
  assert.equal(keyring.find(gone.accessKey), undefined)
  assert.equal(keyring.find(come.accessKey)?.secretKey, come.secretKey)
  assert.equal(changes, 2)
})
