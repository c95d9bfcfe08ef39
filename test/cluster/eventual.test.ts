import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { EventualNodes, until } from '../support/eventual-nodes.ts'

// Real nodes in processes of their own, without etcd.

let cluster: EventualNodes

before(async () => {
  cluster = await EventualNodes.found()
  await cluster.grow(1)
})

after(() => cluster.stop())

test('a volume made on either node takes writes on both, and each sees what the other wrote', async () => {
  const made = await cluster.call(1, '/volumes/shared', { method: 'PUT', body: '{"consistency":"eventual"}' })
  assert.equal(made.status, 201, await made.clone().text())
  assert.equal(((await made.json()) as { consistency: string }).consistency, 'eventual')
  await cluster.put(1, 'docs/a.txt', 'from the second')
  await until('the first has it', async () => (await cluster.text(0, 'docs/a.txt')) === 'from the second')
  await cluster.put(0, 'docs/a.txt', 'from the first')
  await until('the second has it', async () => (await cluster.text(1, 'docs/a.txt')) === 'from the first')
  const large = randomBytes(9_000_000)
  await cluster.put(1, 'large', large)
  await until('the first has the large one', async () => (await cluster.call(0, '/volumes/shared/files/large')).status === 200)
  const read = await cluster.call(0, '/volumes/shared/files/large')
  assert.ok(large.equals(Buffer.from(await read.arrayBuffer())))
  await cluster.agree()
})

test('no volume gets the name of another, whichever kind they are of', async () => {
  const strong = await cluster.call(1, '/volumes/shared', { method: 'PUT', body: '{"consistency":"strong"}' })
  assert.equal(strong.status, 409, await strong.text())
  assert.equal((await cluster.call(1, '/volumes/strong', { method: 'PUT', body: '{}' })).status, 201)
  const eventual = await cluster.call(0, '/volumes/strong', { method: 'PUT', body: '{"consistency":"eventual"}' })
  assert.equal(eventual.status, 409, await eventual.text())
})

test('cut off from the node that leads, a node takes writes of eventual volumes, refuses those of strong ones, and both converge', async () => {
  await (cluster.nodes[0] as { kill(): Promise<void> }).kill()
  await cluster.put(1, 'alone.txt', 'nobody else')
  assert.equal(await cluster.text(1, 'alone.txt'), 'nobody else')
  const strong = await cluster.call(1, '/volumes/strong/files/x', { method: 'PUT', body: 'x' })
  assert.equal(strong.status, 503)
  assert.ok(strong.headers.has('retry-after'))
  await cluster.start(0)
  await until('the first has it', async () => (await cluster.text(0, 'alone.txt')) === 'nobody else', 15_000)
  await cluster.agree()
})
