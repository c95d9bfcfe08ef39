import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import { PendingFile } from './pending-file.ts'
import { create, openBench, settled } from './write-back-fixture.suite.ts'

test('what is sent while a file is read is read on where it lies by then, each byte once', async (t) => {
  const bench = await openBench(t)
  const mount = await bench.mount()
  await create(mount, 'f', 'contents')
  await settled(mount)
  const attributes = await bench.cluster.volume.stat(['f'])
  assert.ok(attributes !== undefined)
  const opened = (end: number) => ({
    attributes,
    bytes: undefined,
    async *read({ offset, length }: { readonly offset: number; readonly length: number }) {
      const bytes = Buffer.from('contents').subarray(offset, offset + length)
      yield bytes.subarray(0, end)
      if (end < bytes.length) throw new ShoalError('CONFLICT', 'It has changed')
    },
    close: () => undefined,
  })
  const { inode } = attributes
  const places = { target: undefined, path: 'f', storedAt: 'where it was' }
  const file = new PendingFile({
    node: { inode, attributes, base: attributes, layers: [], ...places, pending: 1, movedTo: undefined, refused: undefined },
    openKnown: () => opened(3),
    openNow: async () => opened(8),
    readJournal: () => assert.fail('Nothing lies there'),
  })
  const came = await Array.fromAsync(file.read({ offset: 1, length: 6 }))
  assert.equal(Buffer.concat(came).toString(), 'ontent')
})
