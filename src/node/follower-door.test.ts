import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ShoalError } from '#foundation/errors.ts'
import type { Door } from '#gateway/http/door.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { forTheWriter } from '#kv/following-store.ts'
import { asksForStale, FollowerDoor } from './follower-door.ts'

interface Asked {
  method: string
  lengthBytes: number | undefined
  headers: Record<string, string>
  query: string
  headersSent: boolean
}

interface Situation {
  readonly isLeading?: boolean
  readonly isReady?: boolean
  readonly isReadyNow?: boolean
  readonly failure?: Error
}

function node({ isLeading = false, isReady = true, isReadyNow = false, failure }: Situation = {}) {
  const done: string[] = []
  const door = (name: string, error?: Error): Door => ({
    name,
    async handle() {
      done.push(name)
      if (error !== undefined) throw error
    },
    fail: () => done.push(`fail ${name}`),
  })
  const follower = new FollowerDoor({
    door: door('copy', failure),
    elsewhere: door('elsewhere'),
    reads: {
      isReadyNow: () => isReadyNow,
      async isReady({ isStale }) {
        done.push(isStale ? 'stale?' : 'current?')
        return isReady
      },
      count: (answer) => done.push(answer),
    },
    isLeading: () => isLeading,
    mayTry: ({ path }) => path === '/file',
  })
  const ask = async (asked: Partial<Asked> = {}, path = '/file') => {
    const { headersSent = false, ...rest } = asked
    const keepBody = async (): Promise<Buffer> => {
      done.push('body')
      return Buffer.alloc(0)
    }
    const exchange = { method: 'GET', lengthBytes: 0, headers: {}, query: '', path, keepBody, response: { headersSent }, ...rest }
    await follower.handle(exchange as unknown as Exchange)
    return done.splice(0)
  }
  return { ask, follower, done }
}

test('nobody is asked while it is known that the copy here is up to date', async () => {
  const { ask } = node({ isReadyNow: true, isReady: false })
  assert.deepEqual(await ask(), ['copy', 'linearizable'])
  assert.deepEqual(await ask({ query: 'consistency=stale' }), ['copy', 'stale'])
})

test('a read is answered by the copy here once that is known to be up to date', async () => {
  const { ask } = node()
  assert.deepEqual(await ask(), ['current?', 'copy', 'linearizable'])
  assert.deepEqual(await ask({ method: 'HEAD' }), ['current?', 'copy', 'linearizable'])
  assert.deepEqual(await ask({ headers: { 'x-shoal-consistency': 'stale' } }), ['stale?', 'copy', 'stale'])
  assert.deepEqual(await ask({ query: 'a=b&consistency=stale' }), ['stale?', 'copy', 'stale'])
})

test('the body of a PROPFIND is read first, so that somebody else can answer it after all', async () => {
  const { ask } = node({ failure: forTheWriter('Not here') })
  const passed = ['body', 'current?', 'copy', 'sent-on', 'elsewhere']
  assert.deepEqual(await ask({ method: 'PROPFIND', lengthBytes: 200 }), passed)
  assert.deepEqual(await ask({ method: 'PROPFIND', lengthBytes: 100_000 }), ['elsewhere'])
  assert.deepEqual(await ask({ method: 'PROPFIND', lengthBytes: undefined }), ['elsewhere'])
})

test('changes, requests with a body, other paths, and all requests to a node that leads are not for the copy', async () => {
  const { ask } = node()
  assert.deepEqual(await ask({ method: 'PUT' }), ['elsewhere'])
  assert.deepEqual(await ask({ lengthBytes: 1 }), ['elsewhere'])
  assert.deepEqual(await ask({}, '/healthz'), ['elsewhere'])
  assert.deepEqual(await node({ isLeading: true }).ask(), ['elsewhere'])
})

test('what the copy can not answer goes elsewhere, as long as no answer has begun', async () => {
  assert.deepEqual(await node({ isReady: false }).ask(), ['current?', 'sent-on', 'elsewhere'])
  for (const failure of [forTheWriter('Not here'), new ShoalError('VOLUME_NOT_FOUND', 'An eventual one, perhaps')]) {
    assert.deepEqual(await node({ failure }).ask(), ['current?', 'copy', 'sent-on', 'elsewhere'])
    await assert.rejects(node({ failure }).ask({ headersSent: true }), failure)
  }
  const failure = new ShoalError('NOT_FOUND', 'No such file')
  await assert.rejects(node({ failure }).ask(), failure)
})

test('the form of errors is that of the door that can tell a forwarded request from others', () => {
  const { follower, done } = node()
  follower.fail({} as Exchange, new ShoalError('NOT_FOUND', 'No such file'))
  assert.deepEqual(done, ['fail elsewhere'])
})

test('only the exact word asks for a stale answer', () => {
  const asks = (query: string, header?: string) =>
    asksForStale({ query, headers: header === undefined ? {} : { 'x-shoal-consistency': header } })
  for (const query of ['consistency=stale', 'a&consistency=stale&b']) assert.equal(asks(query), true, query)
  for (const query of ['', 'consistency=stales', 'inconsistency=stale', 'consistency=all'])
    assert.equal(asks(query), false, query)
  assert.equal(asks('', 'stale'), true)
  assert.equal(asks('', 'linearizable'), false)
})
