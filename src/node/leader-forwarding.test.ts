import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { HomeLeadership } from './leadership.ts'
import { LeaderForwarding } from './leader-forwarding.ts'

const HOME = 'aa'.repeat(16) as NodeId
const OTHER = 'bb'.repeat(16) as NodeId
const asked = (path: string) => ({ path }) as Exchange

function forwarding(leadership: HomeLeadership): LeaderForwarding {
  const peers = { call: () => assert.fail('nothing is sent here') }
  return new LeaderForwarding({ leadership, peers, isServedHere: ({ path }) => path === '/healthz' })
}

test('the home serves everything; another node sends on what it does not answer itself', () => {
  const atHome = forwarding(new HomeLeadership({ self: HOME, home: HOME }))
  assert.equal(atHome.decide(asked('/api/v1/volumes')), 'here')
  const known = { nodeId: HOME, host: '10.0.0.1', nodePort: 7402 }
  const elsewhere = forwarding(new HomeLeadership({ self: OTHER, home: HOME, known }))
  assert.equal(elsewhere.decide(asked('/healthz')), 'here')
  const target = elsewhere.decide(asked('/api/v1/volumes'))
  assert.ok(typeof target === 'object')
  assert.equal(target.name, HOME)
  assert.equal(elsewhere.decide(asked('/dav/docs')), target, 'connections are kept')
})

test('once the home was removed as lost there is nobody to wait for', () => {
  const removed = new Set<NodeId>()
  const known = { nodeId: HOME, host: '10.0.0.1', nodePort: 7402 }
  const left = forwarding(new HomeLeadership({ self: OTHER, home: HOME, known, isRemoved: (id) => removed.has(id) }))
  assert.ok(typeof left.decide(asked('/api/v1/volumes')) === 'object')
  removed.add(HOME)
  assert.throws(() => left.decide(asked('/api/v1/volumes')), { code: 'UNSUPPORTED', message: /lost with the node/ })
  assert.equal(left.decide(asked('/healthz')), 'here')
})

test('until the home is heard of nobody serves; once it has moved, requests go to where it is now', () => {
  const leadership = new HomeLeadership({ self: OTHER, home: HOME })
  const elsewhere = forwarding(leadership)
  let changes = 0
  elsewhere.onChange(() => (changes += 1))
  assert.equal(elsewhere.decide(asked('/a')), undefined)
  leadership.hear({ nodeId: OTHER, host: '10.0.0.2', nodePort: 7402 })
  assert.deepEqual([elsewhere.decide(asked('/a')), changes], [undefined, 0])
  leadership.hear({ nodeId: HOME, host: '10.0.0.1', nodePort: 7402 })
  const first = elsewhere.decide(asked('/a'))
  leadership.hear({ nodeId: HOME, host: '10.0.0.1', nodePort: 7402 })
  assert.deepEqual([elsewhere.decide(asked('/a')), changes], [first, 1])
  leadership.hear({ nodeId: HOME, host: '10.0.0.3', nodePort: 8402 })
  assert.notEqual(elsewhere.decide(asked('/a')), first)
  assert.equal(changes, 2)
})
