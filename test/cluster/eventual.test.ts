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

test('cut off from each other both take writes of one path, and the one that lost is listed everywhere, and restored', async () => {
  await cluster.put(0, 'plan.txt', 'before')
  await cluster.agree()
  // One stands still while the other writes; then the other while the first does, which has not heard of it.
  const [first, second] = cluster.nodes.map(({ child }) => child)
  second!.kill('SIGSTOP')
  await cluster.put(0, 'plan.txt', 'from the first')
  first!.kill('SIGSTOP')
  second!.kill('SIGCONT')
  await cluster.put(1, 'plan.txt', 'from the second')
  first!.kill('SIGCONT')
  await cluster.agree(30_000)
  const shown = await cluster.text(0, 'plan.txt')
  for (const at of [0, 1]) {
    const { conflicts } = (await (await cluster.call(at, '/volumes/shared/conflicts')).json()) as {
      conflicts: { path: string; versions: { id: string }[] }[]
    }
    assert.deepEqual(
      conflicts.map(({ path, versions }) => [path, versions.length]),
      [['plan.txt', 2]],
    )
  }
  const list = await cluster.cli(1).run('conflicts', 'list', 'shared:/')
  const lost = /([0-9a-f]{14}-[0-9a-f]{32}) .* lost/.exec(list)?.[1] as string
  assert.match(await cluster.cli(1).run('conflicts', 'restore', 'shared:/plan.txt', lost), /Restored/)
  await until('the first shows what was restored', async () => {
    const now = await cluster.text(0, 'plan.txt')
    return now !== shown && (now?.startsWith('from the ') ?? false)
  })
  assert.match(await cluster.cli(0).run('status'), /Eventual +1 volume/)
})
