import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { collectYoung } from '#platform/node-heap.ts'
import type { OpenFile } from '#volume/volume.ts'
import { ShownFile } from './shown-file.ts'

/** Fewer than are young together. */
const FILES = 100
const attributes = { sizeBytes: 3 } as Attributes

test('what a file that is shown holds goes with it, when the youngest objects are collected', async () => {
  const withGetter = (shown: OpenFile): object => ({
    get bytes() {
      return shown.bytes
    },
  })
  assert.equal(await left(withGetter), FILES, 'else this test would not tell')
  assert.equal(await left((shown) => new ShownFile(shown, { attributes })), 0)
})

test('who is told that a file is not there as it was hears what it was refused with, and the mount hears it, too', async () => {
  let refused = 0
  const onRefused = (): void => void (refused += 1)
  for (const code of ['CONFLICT', 'NOT_FOUND', 'UNAVAILABLE'] as const) {
    const shown = new ShownFile(file(new ShoalError(code, 'No')), { attributes, onRefused })
    await assert.rejects(
      async () => {
        for await (const _ of shown.read({ offset: 0, length: 3 }));
      },
      { code },
    )
  }
  assert.equal(refused, 2)
})

/** How many of the files that `show` was given outlive what it has made of them. */
async function left(show: (shown: OpenFile) => object): Promise<number> {
  const shown = Array.from({ length: FILES }, () => {
    const one = file()
    show(one)
    return new WeakRef(one)
  })
  // In a turn of their own: what was made a weak reference of lives as long as the turn.
  await nodeClock.sleep(1)
  for (let times = 0; times < 3; times += 1) collectYoung()
  return shown.filter((one) => one.deref() !== undefined).length
}

function file(error?: ShoalError): OpenFile {
  return {
    attributes,
    bytes: undefined,
    async *read() {
      if (error !== undefined) throw error
      yield Buffer.from('abc')
    },
    close: () => undefined,
  }
}
