import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { WireServer } from '#wire/server.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { certify, makeRequest } from './certificates.ts'
import { decodeJoinRequest, openAnswer, proofOf, sealAnswer } from './join-messages.ts'
import { decodeJoinToken, encodeJoinToken, tokenIdOf, verifierOf } from './join-token.ts'
import { encodeRing } from './key-ring.ts'
import { TokenList } from './token-list.ts'
import { HOUR_MS, found, join, memoryWorld, openFolder, passUntil, realWorld } from './join-fixture.suite.ts'

describe('refused is', () => {
  test('a token that has run out, by the node that has it and by the one that made it', async (context) => {
    const clock = new ManualClock()
    const world = memoryWorld(clock)
    const founder = await found(context, world)
    const token = await founder.issue({ lifeMs: HOUR_MS })
    clock.advance(2 * HOUR_MS)
    await assert.rejects(join(world, token), {
      code: 'UNAUTHENTICATED',
      message: /has run out at .*Z: make another one with "shoal cluster token"/,
    })
    const late = encodeJoinToken({ ...decodeJoinToken(token), expiresMs: clock.nowMs() + HOUR_MS })
    await assert.rejects(join(world, late), { code: 'UNAUTHENTICATED', message: /has run out/ })
  })

  test('a token that was used as often as it may be; who used it may ask again', async (context) => {
    const world = memoryWorld()
    const founder = await found(context, world)
    const token = await founder.issue({ uses: 2 })
    const files = new MemoryFiles()
    await join(world, token, files)
    await join(world, token)
    await assert.rejects(join(world, token), { code: 'UNAUTHENTICATED', message: /has been used already/ })
    const lostAnswer = new MemoryFiles()
    const [format, lock] = [await files.read('/data/format.json'), await openFolder(lostAnswer)]
    await lock.close()
    await lostAnswer.publish('/data/format.json', [format!])
    await join(world, token, lostAnswer)
  })

  test('a token of another cluster, of another node, and one whose secret was changed, more slowly each time', async (context) => {
    const clock = new ManualClock()
    const world = memoryWorld(clock)
    const founder = await found(context, world)
    const other = await found(context, world, 'other')
    const token = decodeJoinToken(await founder.issue())
    const foreign = encodeJoinToken({ ...token, addresses: [other.address] })
    await assert.rejects(join(world, foreign), { code: 'UNAUTHENTICATED', message: /belongs to cluster/ })
    const guessed = encodeJoinToken({ ...token, secret: Buffer.alloc(16) })
    const waits: number[] = []
    for (let attempt = 0; attempt < 8; attempt += 1) {
      const startMs = clock.nowMs()
      await assert.rejects(passUntil(clock, join(world, guessed)), {
        code: 'UNAUTHENTICATED',
        message: /does not know the join token/,
      })
      waits.push(clock.nowMs() - startMs)
    }
    assert.ok(Math.min(...waits.slice(0, 5)) < 50 && waits[6]! >= 200 && waits[7]! >= 400, waits.join(', '))
    assert.equal((await join(world, encodeJoinToken(token))).identity.name.clusterId, founder.identity.name.clusterId)
  })

  test('a request whose proof is not by the token, or not for all that it says', async (context) => {
    const clock = new ManualClock()
    const founder = await found(context, memoryWorld(clock))
    const verifier = verifierOf(decodeJoinToken(await founder.issue()).secret)
    const name = { clusterId: founder.identity.name.clusterId, nodeId: 'ee'.repeat(16) as NodeId }
    const { request } = await makeRequest(name)
    const said = { tokenId: tokenIdOf(verifier), ...name, request, nonce: '11'.repeat(16) }
    const proof = proofOf(verifier, said).toString('hex')
    const changed = [
      { proof: proofOf(Buffer.alloc(32), said).toString('hex') },
      { nodeId: 'ef'.repeat(16) },
      { nonce: '12'.repeat(16) },
      { request: (await makeRequest(name)).request },
      { clusterId: 'c2'.repeat(16) },
    ]
    for (const change of changed) {
      const refused = founder.desk.admit({ ...said, proof, ...change }, '192.0.2.7')
      await assert.rejects(refused, { code: 'UNAUTHENTICATED', message: /does not know the join token/ })
    }
    const sealed = await founder.desk.admit({ ...said, proof }, '192.0.2.7')
    assert.equal(openAnswer(sealed, verifier, said.nonce).seeds.length, 1)
    assert.throws(() => openAnswer(sealed, verifier, '12'.repeat(16)), { code: 'UNAUTHENTICATED' })
    const nonsense = await makeRequest(name).then((made) => made.request.replace('MI', 'MJ'))
    const bad = { ...said, request: nonsense }
    await assert.rejects(founder.desk.admit({ ...bad, proof: proofOf(verifier, bad).toString('hex') }, '192.0.2.7'), {
      code: 'INVALID_ARGUMENT',
    })
  })

  test('an answer from who knows the token, but has another authority', async (context) => {
    const world = memoryWorld()
    const [founder, other] = [await found(context, world), await found(context, world, 'other')]
    const token = decodeJoinToken(await founder.issue())
    const verifier = verifierOf(token.secret)
    const { authority, gossip } = other.identity
    const handle = async ({ header }: { readonly header: unknown }) => {
      const { request, nodeId, nonce } = decodeJoinRequest(header)
      const name = { clusterId: token.clusterId, nodeId }
      const certificate = await certify({ authority, name, request, nowMs: world.clock.nowMs(), random: nodeRandom })
      const answer = { certificate, authority, gossip: encodeRing(gossip), seeds: [], bootstrap: Buffer.alloc(0) }
      return { body: [sealAnswer(answer, verifier, nonce, nodeRandom)] }
    }
    const server = await WireServer.listen(
      { host: 'impostor', port: 0 },
      {
        listeners: world.listenersOf('impostor', 'plain'),
        clock: world.clock,
        log: silentLog,
        identity: { ...founder.identity.name, software: '0.1.0' },
        methods: { 'cluster.join': { handle, isOpen: true } },
      },
    )
    const misled = encodeJoinToken({ ...token, addresses: [server.address] })
    await assert.rejects(join(world, misled), { code: 'UNAUTHENTICATED', message: /its authority has another fingerprint/ })
  })

  test('a node that was removed from the cluster, and a copy of the founding node', async (context) => {
    const world = memoryWorld()
    const founder = await found(context, world)
    const files = new MemoryFiles()
    const { nodeId, close } = await openFolder(files)
    await close()
    founder.removed.add(nodeId)
    await assert.rejects(join(world, await founder.issue(), files), {
      code: 'FORBIDDEN',
      message: /was removed from the cluster/,
    })
    const copy = founder.files.copy()
    await (await openFolder(copy)).close()
    const text = String(await copy.read('/data/format.json'))
    await copy.publish('/data/format.json', [Buffer.from(text.replace(founder.identity.name.clusterId, '0'.repeat(32)))])
    await copy.remove('/data/cluster/identity.json')
    await assert.rejects(join(world, await founder.issue(), copy), { code: 'FORBIDDEN', message: /is this node itself/ })
  })

  test('a data folder of another cluster that holds data, and it stays as it was', async (context) => {
    const world = memoryWorld()
    const founder = await found(context, world)
    const files = new MemoryFiles()
    const token = await founder.issue()
    await assert.rejects(join(world, token, files, { hasData: () => true }), {
      code: 'CONFLICT',
      message: /holds data, so it can't join cluster/,
    })
    assert.notEqual((await openFolder(files)).clusterId, founder.identity.name.clusterId)
  })

  test('a join where nobody answers, with the address', async () => {
    const world = realWorld()
    const token = {
      clusterId: '00'.repeat(16),
      fingerprint: '00'.repeat(32),
      expiresMs: Date.now() + HOUR_MS,
      secret: Buffer.alloc(16),
    }
    const line = encodeJoinToken({
      ...token,
      expiresMs: Math.floor(token.expiresMs / 1000) * 1000,
      addresses: [{ host: '127.0.0.1', port: 1 }],
    })
    await assert.rejects(join(world, line), { code: 'UNAVAILABLE', message: /127\.0\.0\.1:1/ })
  })
})

describe('the list of tokens', () => {
  test('survives a restart, holds no secret, and only its owner can read it', async (context) => {
    const world = memoryWorld()
    const founder = await found(context, world)
    const token = decodeJoinToken(await founder.issue())
    const text = String(await founder.files.read('/data/cluster/tokens.json'))
    assert.ok(!text.includes(token.secret.toString('base64')) && !text.includes(token.secret.toString('hex')))
    assert.equal((await founder.files.facts('/data/cluster/tokens.json'))?.mode, 0o600)
    const reopened = await TokenList.open('/data', { files: founder.files, clock: world.clock })
    const { id, usesMax } = (JSON.parse(text) as { tokens: [{ id: string; usesMax: number }] }).tokens[0]
    assert.equal(reopened.find(id)?.usesMax, usesMax)
    assert.equal(reopened.find('0'.repeat(16)), undefined)
    await founder.files.publish('/data/cluster/tokens.json', [Buffer.from('{"format":1,"tokens":[{}]}')])
    await assert.rejects(TokenList.open('/data', { files: founder.files, clock: world.clock }), { code: 'DATA_FORMAT' })
  })

  test('has an end, and room again when tokens have run out', async (context) => {
    const clock = new ManualClock()
    const founder = await found(context, memoryWorld(clock))
    for (let made = 0; made < 100; made += 1) await founder.issue({ lifeMs: HOUR_MS })
    await assert.rejects(founder.issue(), { code: 'BUSY' })
    clock.advance(2 * HOUR_MS)
    await founder.issue()
  })

  test('lets exactly as many nodes in at once as a token allows', async (context) => {
    const world = memoryWorld()
    const token = await (await found(context, world)).issue({ uses: 3 })
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => join(world, token)))
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 3)
  })
})
