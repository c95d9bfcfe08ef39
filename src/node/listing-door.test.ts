import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError, type ErrorCode } from '#foundation/errors.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { ListingDoor } from './listing-door.ts'

interface Asked {
  readonly path: string
  readonly lengthBytes: number
  readonly response: { readonly headersSent: boolean }
}

function doors({ hasLeader, failure }: { readonly hasLeader: boolean; readonly failure?: ErrorCode }) {
  const served: string[] = []
  const keepBody = async (): Promise<void> => void served.push('body kept')
  const door = (name: string, fails?: ErrorCode): Door => ({
    name,
    async handle() {
      served.push(name)
      if (fails !== undefined) throw new ShoalError(fails, 'Not now')
    },
    fail() {},
  })
  const listing = new ListingDoor({
    here: door('here'),
    elsewhere: door('elsewhere', failure),
    isListing: ({ path }) => path === '/list',
    hasLeader: async () => hasLeader,
  })
  const ask = async (asked: Partial<Asked> = {}) =>
    listing.handle({ path: '/list', lengthBytes: 0, keepBody, response: { headersSent: false }, ...asked } as unknown as Exchange)
  return { served, ask }
}

test('a list comes from who leads, and from here when nobody who leads can be reached', async () => {
  const reached = doors({ hasLeader: true })
  await reached.ask()
  assert.deepEqual(reached.served, ['elsewhere'])
  const lost = doors({ hasLeader: true, failure: 'UNAVAILABLE' })
  await lost.ask()
  assert.deepEqual(lost.served, ['elsewhere', 'here'])
  const unknown = doors({ hasLeader: false })
  await unknown.ask()
  assert.deepEqual(unknown.served, ['here'])
})

test('a question with a body is kept for whoever answers in the end', async () => {
  const lost = doors({ hasLeader: true, failure: 'UNAVAILABLE' })
  await lost.ask({ lengthBytes: 200 })
  assert.deepEqual(lost.served, ['body kept', 'elsewhere', 'here'])
})

test('everything else, another failure, and an answer that has begun are not for here', async () => {
  const other = doors({ hasLeader: false, failure: 'UNAVAILABLE' })
  await assert.rejects(other.ask({ path: '/else' }))
  assert.deepEqual(other.served, ['elsewhere'])
  const refused = doors({ hasLeader: true, failure: 'FORBIDDEN' })
  await assert.rejects(refused.ask())
  assert.deepEqual(refused.served, ['elsewhere'])
  const begun = doors({ hasLeader: true, failure: 'UNAVAILABLE' })
  await assert.rejects(begun.ask({ response: { headersSent: true } }))
  assert.deepEqual(begun.served, ['elsewhere'])
})
