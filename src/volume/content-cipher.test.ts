import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeRandom as random } from '#platform/node-random.ts'
import { blindTag, ContentKeys, NONCE_BYTES, openChunk, openContentKeys, SEAL_BYTES, sealChunk } from './content-cipher.ts'

const KEY = { key: random.bytes(32), random, isBlind: false }

function seal(bytes: Uint8Array): Buffer {
  const buffer = Buffer.alloc(bytes.length + SEAL_BYTES)
  buffer.set(bytes, NONCE_BYTES)
  return sealChunk(buffer, bytes.length, KEY)
}

test('what is sealed opens with its key, and no two seals are alike', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
      const sealed = seal(bytes)
      assert.notDeepEqual(sealed, seal(bytes))
      assert.deepEqual(Buffer.from(openChunk(Buffer.from(sealed), KEY.key)), Buffer.from(bytes))
    }),
  )
  const large = random.bytes(200_001)
  assert.deepEqual(openChunk(seal(large), KEY.key), large)
})

test("what was changed, or is another file's, does not open", () => {
  const sealed = seal(Buffer.from('secret'))
  for (let at = 0; at < sealed.length; at += 1) {
    const changed = Buffer.from(sealed)
    changed[at] = (changed[at] as number) ^ 1
    assert.throws(
      () => openChunk(changed, KEY.key),
      (error) => isShoalError(error, 'CORRUPT'),
    )
  }
  assert.throws(
    () => openChunk(Buffer.from(sealed), random.bytes(32)),
    (error) => isShoalError(error, 'CORRUPT'),
  )
  assert.throws(
    () => openChunk(Buffer.alloc(5), KEY.key),
    (error) => isShoalError(error, 'CORRUPT'),
  )
})

test("a file's key opens with what it was sealed with alone", () => {
  const keys = new ContentKeys(random.bytes(32), random)
  const customer = random.bytes(32)
  const own = keys.make()
  const brought = keys.make(customer)
  assert.deepEqual(keys.open(own.encryption)?.key, own.key.key)
  assert.deepEqual(keys.open(brought.encryption, customer)?.key, brought.key.key)
  assert.equal(keys.open(brought.encryption), undefined)
  assert.equal(keys.open(brought.encryption, random.bytes(32)), undefined)
  assert.equal(new ContentKeys(random.bytes(32), random).open(own.encryption), undefined)
  assert.ok(!JSON.stringify(brought.encryption).includes(customer.toString('base64')))
  assert.notDeepEqual(blindTag(Buffer.alloc(16), own.key.key), blindTag(Buffer.alloc(16), brought.key.key))
})

test('the master key is made once, and readable by its owner alone', async () => {
  const files = new MemoryFiles()
  await files.makeFolder('/data')
  const first = await openContentKeys('/data', { files, random })
  const { encryption, key } = first.make()
  const second = await openContentKeys('/data', { files, random })
  assert.deepEqual(second.open(encryption)?.key, key.key)
})
