import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClusterIdentity } from '#cluster/identity.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { GossipKeys } from '#membership/gossip-seal.ts'
import { silentLog } from '#observe/log.ts'
import { openDataFolder } from '#platform/data-folder.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import type { WirePeers } from '#wire/peers.ts'
import { GossipKeyring } from './gossip-keys.ts'
import type { NodeAt } from './gossip-keys.ts'
import { HomeLeadership } from './leadership.ts'

interface Member extends NodeAt {
  readonly keyring: GossipKeyring
  readonly identity: ClusterIdentity
  readonly used: GossipKeys[]
}

/** Nodes that call each other's methods directly; the first is the home. */
class Nodes {
  readonly members: Member[] = []
  /** Calls to it fail. */
  unreachable: NodeId | undefined

  async add(gossip?: ClusterIdentity['gossip']): Promise<Member> {
    const files = new MemoryFiles()
    const ports = { files, clock: nodeClock, random: nodeRandom, log: silentLog }
    const folder = await openDataFolder('/data', { files, random: nodeRandom, version: '0.1.0' })
    const identity = await ClusterIdentity.open(folder, ports)
    if (gossip !== undefined) await identity.changeGossip(() => gossip)
    const self = identity.name.nodeId
    const home = this.members[0]?.id ?? self
    const used: GossipKeys[] = []
    const keyring = new GossipKeyring({
      identity,
      leadership: new HomeLeadership({ self, home, known: { nodeId: home, host: 'home', nodePort: 1 } }),
      peers: { call: (peer, method, options) => this.#call(self, peer.nodeId as NodeId, method, options?.header) },
      random: nodeRandom,
      log: silentLog,
      useKeys: (keys) => used.push(keys),
    })
    const member = { id: self, host: 'h', port: 1, keyring, identity, used }
    this.members.push(member)
    return member
  }

  async #call(from: NodeId, to: NodeId, method: string, header: unknown): ReturnType<WirePeers['call']> {
    if (to === this.unreachable) throw new ShoalError('UNAVAILABLE', 'nobody is there')
    const target = this.members.find(({ id }) => id === to)?.keyring.methods[method]
    const peer = { nodeId: from, protocol: 1, isProven: true, remoteAddress: '' }
    const call = { header, peer } as Parameters<NonNullable<typeof target>['handle']>[0]
    return { header: {}, ...(await target?.handle(call)) } as Awaited<ReturnType<WirePeers['call']>>
  }
}

const keyIds = ({ identity }: Member) => identity.gossip.keys.map(({ id }) => id)

test('a rotation ends with the same single new key everywhere, and at no step seals a node with what another can not open', async () => {
  const nodes = new Nodes()
  const home = await nodes.add()
  const others = [await nodes.add(home.identity.gossip), await nodes.add(home.identity.gossip)]
  const [old] = keyIds(home)
  await home.keyring.rotate(others)
  const [fresh] = keyIds(home)
  assert.notEqual(fresh, old)
  for (const member of nodes.members) {
    assert.deepEqual(keyIds(member), [fresh])
    // All open with both before anybody seals with the new one, and all seal with it before the old one is dropped.
    const steps = member.used.map(({ primary, others: more = [] }) =>
      [primary, ...more].map((key) => Buffer.from(key).toString('hex')),
    )
    assert.deepEqual(
      steps.map(({ length }) => length),
      [2, 2, 1],
    )
    assert.deepEqual(steps[1], steps[0]?.toReversed())
    assert.deepEqual(steps[2], [steps[1]?.[0]])
  }
})

test('a rotation that a node does not take says which, and the next one clears away what it has left', async () => {
  const nodes = new Nodes()
  const home = await nodes.add()
  const other = await nodes.add(home.identity.gossip)
  nodes.unreachable = other.id
  const failed = home.keyring.rotate([other])
  await assert.rejects(failed, { code: 'UNAVAILABLE', message: new RegExp(`Node ${other.id} .* rotate again`) })
  assert.equal(keyIds(home).length, 2)
  nodes.unreachable = undefined
  await home.keyring.rotate([other])
  assert.equal(keyIds(home).length, 1)
  assert.deepEqual(keyIds(other), keyIds(home))
})

test('a second rotation at the same time is refused', async () => {
  const home = await new Nodes().add()
  const first = home.keyring.rotate([])
  await assert.rejects(home.keyring.rotate([]), { code: 'CONFLICT' })
  await first
})

test('a node that was away takes the keys of the home, and nobody else gives it any', async () => {
  const nodes = new Nodes()
  const home = await nodes.add()
  const [away, stranger] = [await nodes.add(home.identity.gossip), await nodes.add()]
  await home.keyring.rotate([])
  await away.keyring.refresh()
  assert.deepEqual(keyIds(away), keyIds(home))
  const before = keyIds(home)
  await home.keyring.refresh()
  assert.deepEqual(keyIds(home), before)
  await assert.rejects(stranger.keyring.rotate([away]), { code: 'UNAVAILABLE', message: /does not lead/ })
})
