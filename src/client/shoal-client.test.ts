import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { decodeName } from '#foundation/name.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { BatchBuffer } from './batch.ts'
import { FakeServer } from './fake-server.suite.ts'
import type { ByteSource } from './hashed-source.ts'
import { ShoalClient } from './shoal-client.ts'

let server: FakeServer
let client: ShoalClient

function connect(
  options: { endpoint?: string; secretKey?: string; silenceTimeoutMs?: number; connections?: number; triesMsMax?: number } = {},
): ShoalClient {
  return new ShoalClient({
    endpoint: server.endpoint,
    accessKey: 'key',
    secretKey: 'secret',
    clock: nodeClock,
    random: nodeRandom,
    ...options,
  })
}

function sourceOf(bytes: Buffer): ByteSource {
  return {
    sizeBytes: bytes.length,
    async *read(offset, length) {
      for (let at = offset; at < offset + length; at += 65_536) yield bytes.subarray(at, Math.min(at + 65_536, offset + length))
    },
  }
}

async function readAll(body: AsyncIterable<Buffer>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(body))
}

beforeEach(async () => {
  server = await FakeServer.start()
  server.makeVolume('docs')
  client = connect()
})

afterEach(async () => {
  await client.close()
  await server.stop()
})

describe('a client', () => {
  it('gives every legal byte of a name back', async () => {
    const bytes = Buffer.from(Array.from({ length: 255 }, (_, index) => index + 1).filter((byte) => byte !== 0x2f))
    const name = decodeName(bytes)
    await client.writeSmallFile('docs', `dir/${name}`, Buffer.from('x'))
    const [entry] = await Array.fromAsync(client.list('docs', 'dir'))
    assert.equal(entry?.name, name)
    assert.equal((await client.readSmallFile('docs', `dir/${name}`)).bytes.toString(), 'x')
  })

  it('turns errors back into ShoalErrors by their code', async () => {
    await assert.rejects(client.getEntry('docs', 'nothing'), (error) => isShoalError(error, 'NOT_FOUND'))
    await assert.rejects(client.getEntry('other', 'nothing'), (error) => isShoalError(error, 'VOLUME_NOT_FOUND'))
    await assert.rejects(client.createVolume('docs'), (error) => isShoalError(error, 'VOLUME_EXISTS'))
    const stranger = connect({ secretKey: 'wrong' })
    await assert.rejects(stranger.status(), (error) => isShoalError(error, 'UNAUTHENTICATED') && !error.message.includes('wrong'))
    await stranger.close()
  })

  it('lists over many pages', async () => {
    const volume = server.volumes.get('docs')
    assert.ok(volume !== undefined)
    for (let index = 0; index < 25; index += 1) server.put(volume, `d/${index}`)
    const names = await Array.fromAsync(client.list('docs', 'd', { limit: 7 }), (entry) => entry.name)
    assert.equal(new Set(names).size, 25)
  })

  it('says at once that nobody is at home', async () => {
    const lost = connect({ endpoint: 'http://127.0.0.1:9' })
    await assert.rejects(
      lost.status(),
      (error) => isShoalError(error, 'UNAVAILABLE') && error.details['reason'] === 'ECONNREFUSED',
    )
    await lost.close()
  })

  it('repeats a call that the server was too busy for', async () => {
    let refusals = 2
    server.fault = () => ((refusals -= 1) >= 0 ? { status: 503, code: 'BUSY' } : undefined)
    await client.writeSmallFile('docs', 'a', Buffer.from('1'))
    assert.equal(server.requests.length, 3)
  })

  it('begins no further try of a call that has taken too long', async () => {
    server.fault = () => ({ status: 503, code: 'BUSY' })
    const impatient = connect({ triesMsMax: 1 })
    await assert.rejects(impatient.status(), (error) => isShoalError(error, 'BUSY'))
    await impatient.close()
    assert.ok(server.requests.length <= 2, `${server.requests.length} tries`)
  })

  it('repeats no refusal that would come again', async () => {
    server.fault = () => ({ status: 403, code: 'FORBIDDEN' })
    await assert.rejects(client.status(), (error) => isShoalError(error, 'FORBIDDEN'))
    assert.equal(server.requests.length, 1)
  })

  it('repeats idempotent calls after a broken connection, and no others', async () => {
    let drops = 1
    server.fault = () => ((drops -= 1) >= 0 ? 'drop' : undefined)
    await client.status()
    assert.equal(server.requests.length, 2)
    drops = 1
    await assert.rejects(client.keys.create(), (error) => isShoalError(error, 'UNAVAILABLE'))
    assert.equal(server.requests.length, 3)
  })

  for (const [what, fault] of [
    ['after a broken connection', 'drop'],
    ['when nobody knows whether it was done', { status: 503, code: 'UNAVAILABLE', isAmbiguous: true }],
  ] as const)
    it(`repeats what the server does once by its key ${what}, with the same one`, async () => {
      await client.writeSmallFile('docs', 'a', Buffer.from('1'))
      let faults = 2
      server.fault = () => ((faults -= 1) >= 0 ? fault : undefined)
      await client.move('docs', 'a', { to: 'b' })
      await client.makeDirectory('docs', 'c')
      const keys = server.headers.map((headers) => headers['idempotency-key'])
      assert.equal(keys.length, 5)
      assert.deepEqual([keys[2], keys[3]], [keys[1], keys[1]])
      assert.equal(new Set(keys).size, 3)
      const firsts = server.headers.map((headers) => headers['x-shoal-first-try'])
      assert.deepEqual(firsts, ['1', '1', undefined, undefined, '1'])
    })

  it('does not repeat what may have been done, where that makes a difference', async () => {
    server.fault = () => ({ status: 503, code: 'UNAVAILABLE', isAmbiguous: true })
    await assert.rejects(client.keys.create(), (error) => isShoalError(error, 'UNAVAILABLE'))
    assert.equal(server.requests.length, 1)
  })

  it('does not send a stream twice that can be read only once', async () => {
    server.fault = () => 'drop'
    const once = (async function* () {
      yield Buffer.from('data')
    })()
    await assert.rejects(client.writeStream('docs', 'a', once), (error) => isShoalError(error, 'UNAVAILABLE'))
    assert.equal(server.requests.length, 1)
  })

  it('takes a deletion whose answer was lost for done', async () => {
    const volume = server.volumes.get('docs')
    assert.ok(volume !== undefined)
    server.put(volume, 'a')
    let drops = 1
    server.fault = () => {
      if ((drops -= 1) < 0) return undefined
      volume.files.delete('a')
      return 'drop'
    }
    await client.remove('docs', 'a')
  })

  it('gives up on a server that has gone silent', async () => {
    server.fault = () => 'hang'
    const impatient = connect({ silenceTimeoutMs: 50 })
    await assert.rejects(impatient.move('docs', 'a', { to: 'b' }), (error) => isShoalError(error, 'TIMEOUT'))
    await impatient.close()
  })

  it('stops when it is told to', async () => {
    server.fault = () => 'hang'
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 20)
    await assert.rejects(client.status({ signal: stop.signal }), (error) => isShoalError(error, 'CANCELLED'))
  })
})

describe('a download', () => {
  it('goes on where the connection broke', async () => {
    const volume = server.volumes.get('docs')
    assert.ok(volume !== undefined)
    const bytes = randomBytes(300_000)
    server.put(volume, 'big', { bytes })
    server.fault = (request) => (request.url?.includes('/files/') === true ? { cutAfterBytes: 100_000 } : undefined)
    const { head, body } = await client.openFile('docs', 'big')
    assert.equal(head.sizeBytes, 300_000)
    assert.deepEqual(await readAll(body), bytes)
    assert.equal(server.requests.length, 3)
  })

  it('does not mix two contents of a file', async () => {
    const volume = server.volumes.get('docs')
    assert.ok(volume !== undefined)
    server.put(volume, 'big', { bytes: randomBytes(300_000) })
    server.fault = () => ({ cutAfterBytes: 100_000 })
    const { body } = await client.openFile('docs', 'big')
    await body.next()
    server.put(volume, 'big', { bytes: randomBytes(300_000) })
    await assert.rejects(readAll(body), (error) => isShoalError(error, 'CONFLICT'))
  })

  it('that is given up before its first byte was read keeps no connection', async () => {
    const volume = server.volumes.get('docs')
    assert.ok(volume !== undefined)
    server.put(volume, 'big', { bytes: randomBytes(3_000_000) })
    const narrow = connect({ connections: 1 })
    const { body } = await narrow.openFile('docs', 'big')
    await body.return()
    assert.equal((await narrow.getEntry('docs', 'big')).name, 'big')
    await narrow.close()
  })

  it('of a range has its bytes and no others', async () => {
    const volume = server.volumes.get('docs')
    assert.ok(volume !== undefined)
    server.put(volume, 'a', { bytes: Buffer.from('0123456789') })
    const { body } = await client.openFile('docs', 'a', { range: { offset: 2, length: 3 } })
    assert.equal((await readAll(body)).toString(), '234')
  })

  it('into memory of the caller fills it, after broken connections too', async () => {
    const volume = server.volumes.get('docs')
    assert.ok(volume !== undefined)
    const bytes = randomBytes(300_000)
    server.put(volume, 'big', { bytes })
    const { etag } = await client.headFile('docs', 'big')
    let cuts = 2
    server.fault = () => ((cuts -= 1) >= 0 ? { cutAfterBytes: 50_000 } : undefined)
    const into = Buffer.alloc(200_000)
    let arrivedBytes = 0
    const arrived = (delta: number) => (arrivedBytes += delta)
    await client.readInto('docs', 'big', { offset: 40_000, into, etag, arrived })
    assert.deepEqual(into, bytes.subarray(40_000, 240_000))
    assert.ok(arrivedBytes >= 200_000 && arrivedBytes <= 400_000, String(arrivedBytes))
    assert.equal(cuts, -1)
  })

  it('into memory of the caller is of the version that was asked for, and as long', async () => {
    const volume = server.volumes.get('docs')
    assert.ok(volume !== undefined)
    server.put(volume, 'a', { bytes: Buffer.from('0123456789') })
    const { etag } = await client.headFile('docs', 'a')
    const into = Buffer.alloc(8, 'x')
    await assert.rejects(client.readInto('docs', 'a', { offset: 5, into, etag }), { code: 'INCOMPLETE_BODY' })
    await assert.rejects(client.readInto('docs', 'b', { offset: 5, into, etag }), { code: 'NOT_FOUND' })
    server.put(volume, 'a', { bytes: Buffer.from('abcdefghij') })
    into.fill('x')
    await assert.rejects(client.readInto('docs', 'a', { offset: 0, into, etag }), { code: 'CONFLICT' })
    assert.equal(into.toString(), 'xxxxxxxx')
  })
})

describe('an upload in parts', () => {
  const bytes = randomBytes(1_000_001)
  const partSizeBytes = 100_000

  it('is the parts in their order, and resumes with only those that are missing', async () => {
    const stop = new AbortController()
    let session: string | undefined
    server.fault = (request) => (request.url?.endsWith('/parts/7') === true ? 'drop' : undefined)
    const settings = {
      partSizeBytes,
      resumeId: 'none',
      onSession: ({ id }: { id: string }) => (session = id),
      signal: stop.signal,
    }
    await assert.rejects(client.writeFile('docs', 'big', sourceOf(bytes), settings))
    server.fault = () => undefined
    server.requests.length = 0
    const entry = await client.writeFile('docs', 'big', sourceOf(bytes), { partSizeBytes, resumeId: session })
    assert.equal(entry.sha256, createHash('sha256').update(bytes).digest('hex'))
    assert.ok(server.requests.filter((line) => line.includes('/parts/')).length < 11)
  })

  it('counts each byte once, repetitions left out', async () => {
    let drops = 1
    server.fault = (request) => (request.url?.endsWith('/parts/3') === true && (drops -= 1) >= 0 ? 'drop' : undefined)
    let counted = 0
    await client.writeFile('docs', 'big', sourceOf(bytes), {
      partSizeBytes,
      resumeId: 'none',
      onBytes: (delta) => (counted += delta),
    })
    assert.equal(counted, bytes.length)
  })

  it('of a file that shrinks meanwhile fails', async () => {
    const shrunk = { ...sourceOf(bytes.subarray(0, 500_000)), sizeBytes: bytes.length }
    await assert.rejects(client.writeFile('docs', 'big', shrunk), (error) => isShoalError(error, 'CONFLICT'))
  })
})

describe('a batch', () => {
  it('stores each record, and answers for each', async () => {
    const batch = new BatchBuffer(1024)
    batch.add({ path: 'a/b', size: 3, mode: '0600' })?.write('abc')
    batch.add({ path: 'dir', size: 0, type: 'directory' })
    batch.add({ path: 'a/b/c', size: 0 })
    const results = await client.batches.store('docs', 'base', batch)
    assert.deepEqual(
      results.map((result) => (result instanceof ShoalError ? result.code : result)),
      [undefined, undefined, 'NOT_A_DIRECTORY'],
    )
    assert.equal((await client.readSmallFile('docs', 'base/a/b')).bytes.toString(), 'abc')
    assert.equal((await client.getEntry('docs', 'base/dir')).type, 'directory')
  })

  it('has no room for more than its buffer, and forgets what is undone', () => {
    const batch = new BatchBuffer(100)
    assert.notEqual(batch.add({ path: 'a', size: 10 }), undefined)
    const before = batch.lengthBytes
    assert.equal(batch.add({ path: 'b', size: 90 }), undefined)
    assert.notEqual(batch.add({ path: 'b', size: 10 }), undefined)
    batch.undo(before)
    assert.deepEqual([batch.records, batch.lengthBytes], [1, before])
  })
})
