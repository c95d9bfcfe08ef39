import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Exchange } from './exchange.ts'
import { ReplayableBody } from './replayable-body.ts'

const KIB = 1024
const PIECES = [64 * KIB, 40 * KIB, 10, 64 * KIB].map((length, at) => Buffer.alloc(length, at + 1))

/** A body whose pieces come when they are let through. */
function slowly(): { readonly body: ReplayableBody; letThrough(count: number): void } {
  const waiting: (() => void)[] = []
  let open = 0
  async function* source(): AsyncGenerator<Buffer> {
    for (const piece of PIECES) {
      if (open === 0) await new Promise<void>((resolve) => waiting.push(resolve))
      open -= 1
      yield piece
    }
  }
  const pieces = source()
  return {
    body: new ReplayableBody({ body: () => pieces } as unknown as Exchange),
    letThrough(count) {
      open += count
      waiting.shift()?.()
    },
  }
}

test('what a try that is given up has asked for goes to the next try, with all that was before it', async () => {
  const { body, letThrough } = slowly()
  const first = body.attempt({ waits: false })
  letThrough(1)
  assert.deepEqual((await first.next()).value, PIECES[0])
  const asked = first.next()
  await setImmediate()
  await first.return()
  letThrough(PIECES.length)
  assert.equal((await asked).done, true)
  assert.ok(body.isReplayable)
  assert.deepEqual(await Array.fromAsync(body.attempt({ waits: false })), PIECES)
  assert.ok(!body.isReplayable)
})

test('a body of which a part has gone to an earlier try is not taken for a shorter one', async () => {
  const { body, letThrough } = slowly()
  letThrough(PIECES.length)
  const first = body.attempt({ waits: false })
  for (let at = 0; at < 2; at += 1) await first.next()
  await first.return()
  assert.ok(!body.isReplayable)
  assert.equal(await body.takeBack(), false)
  await assert.rejects(body.attempt({ waits: false }).next(), /a part is gone/)
})
