import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { after, before, test } from 'node:test'
import { SeededRandom } from '#platform/seeded-random.ts'
import { EventualNodes, until } from '../support/eventual-nodes.ts'
import { AUTHORIZATION } from '../support/node-process.ts'

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

test('a removal reaches the other node, and what that has of before does not undo it, also after it was away', async () => {
  await cluster.put(0, 'old', 'one')
  await cluster.put(0, 'old', 'two')
  await until('the second has what was written over it', async () => (await cluster.text(1, 'old')) === 'two')
  await (cluster.nodes[1] as { kill(): Promise<void> }).kill()
  assert.equal((await cluster.call(0, '/volumes/shared/files/old', { method: 'DELETE' })).status, 204)
  await cluster.start(1)
  await until('the second knows that it was removed', async () => (await cluster.text(1, 'old')) === undefined)
  await cluster.put(1, 'new', 'by the one that was away')
  await cluster.agree()
  assert.deepEqual([await cluster.text(0, 'old'), await cluster.text(1, 'old')], [undefined, undefined])
})

test('a large file that is read slowly by way of another node keeps nothing else from being written and told', async () => {
  const film = randomBytes(64 * 1024 * 1024)
  await cluster.put(1, 'film', film)
  await until(
    'the first knows of it',
    async () => (await cluster.call(0, '/volumes/shared/files/film', { method: 'HEAD' })).status === 200,
  )
  const reader = (await cluster.call(0, '/volumes/shared/files/film')).body?.getReader()
  const pieces: Uint8Array[] = []
  const read = async (): Promise<boolean> => {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
    if (value !== undefined) pieces.push(value)
    return !done
  }
  await read()
  // Nobody takes more of it meanwhile.
  for (const [from, to] of [
    [0, 1],
    [1, 0],
  ] as const) {
    await cluster.put(from, `beside-${from}`, 'small')
    await until('the other has the small one', async () => (await cluster.text(to, `beside-${from}`)) === 'small', 5_000)
  }
  while (await read());
  assert.ok(Buffer.concat(pieces).equals(film))
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

test('WebDAV writes and lists an eventual volume on any node, and refuses locks', async () => {
  const dav = (at: number, method: string, path: string, options: { body?: string; headers?: Record<string, string> } = {}) =>
    fetch(`${cluster.nodes[at]!.origin}/dav/shared/${path}`, {
      method,
      body: options.body ?? null,
      headers: { authorization: AUTHORIZATION, ...options.headers },
    })
  assert.equal((await dav(1, 'MKCOL', 'web')).status, 201)
  assert.equal((await dav(1, 'PUT', 'web/page.html', { body: '<p>' })).status, 201)
  await until('the first has it', async () => (await cluster.text(0, 'web/page.html')) === '<p>')
  assert.match(await (await dav(0, 'PROPFIND', 'web/', { headers: { depth: '1' } })).text(), /page\.html/)
  const moved = await dav(0, 'MOVE', 'web/page.html', {
    headers: { destination: `${cluster.nodes[0]!.origin}/dav/shared/web/index.html` },
  })
  assert.equal(moved.status, 201, await moved.text())
  const lock = '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
  const refused = await dav(1, 'LOCK', 'web/', { body: lock, headers: { 'content-type': 'application/xml' } })
  assert.equal(refused.status, 501, await refused.text())
})

test('four nodes that take writes at random have the same names and contents once it is quiet, also after one was killed', async () => {
  await cluster.grow(2)
  const random = new SeededRandom(6)
  const pick = (count: number) => Math.floor(random.fraction() * count)
  const writeSome = (count: number, ofNodes: readonly number[]) =>
    Promise.all(
      Array.from({ length: count }, async (_, at) => {
        const body = at % 8 === 0 ? Buffer.alloc(20_000, `${at}`) : `content ${at}`
        await cluster.put(ofNodes[pick(ofNodes.length)] as number, `many/${pick(5)}/file-${pick(30)}`, body)
      }),
    )
  await writeSome(60, [0, 1, 2, 3])
  await cluster.nodes[3]!.kill()
  await writeSome(20, [0, 1, 2])
  await cluster.start(3)
  await cluster.agree(30_000)
})

test('a list of volumes does not wait for a leader that has gone silent: it says what is missing, a second later at most', async () => {
  const [first] = cluster.nodes.map(({ child }) => child)
  first!.kill('SIGSTOP')
  try {
    for (const mostMs of [3_000, 2_000]) {
      const beganMs = performance.now()
      const listed = (await (await cluster.call(1, '/volumes')).json()) as { volumes: { name: string }[]; missing?: string }
      const tookMs = performance.now() - beganMs
      assert.deepEqual([listed.volumes.map(({ name }) => name), listed.missing], [['shared'], 'strong'])
      assert.ok(tookMs < mostMs, `after ${Math.round(tookMs)} ms`)
    }
    for (const [method, path] of [
      ['PROPFIND', '/dav/'],
      ['GET', '/dav/'],
      ['PROPFIND', '/'],
    ] as const) {
      const beganMs = performance.now()
      const body = method === 'GET' ? null : '<propfind xmlns="DAV:"><allprop/></propfind>'
      const headers = { authorization: AUTHORIZATION, depth: '1' }
      const answer = await fetch(`${cluster.nodes[1]!.origin}${path}`, { method, body, headers })
      const tookMs = performance.now() - beganMs
      assert.match(await answer.text(), path === '/' ? /dav/ : /shared/, `${method} ${path}: ${answer.status}`)
      assert.ok(tookMs < 2_000, `${method} ${path} after ${Math.round(tookMs)} ms`)
    }
  } finally {
    first!.kill('SIGCONT')
  }
  await until('it leads again', async () => {
    const { missing } = (await (await cluster.call(1, '/volumes')).json()) as { missing?: string }
    return missing === undefined
  })
})

test('the home that is lost for good is removed by an operator’s word at any other node, and not before it is gone', async () => {
  const { nodes } = (await (await cluster.call(1, '/nodes')).json()) as { nodes: { id: string; home: boolean }[] }
  const home = nodes.find((node) => node.home)!.id
  const remove = () => cluster.call(1, `/nodes/${home}/remove?lost`, { method: 'POST' })
  assert.equal((await remove()).status, 403)
  await cluster.nodes[0]!.kill()
  await until('gossip has noticed', async () => (await remove()).status === 204, 60_000)
  await until('nobody waits for it any more', async () => {
    const { eventual } = (await (await cluster.call(1, '/status')).json()) as { eventual: { members: number } }
    return eventual.members === 3
  })
  await cluster.put(1, 'without-home.txt', 'goes on')
  assert.equal(await cluster.text(1, 'without-home.txt'), 'goes on')
})
