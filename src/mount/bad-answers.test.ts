// What a mount makes of answers that no node of Shoal gives: a clear error, and never wrong bytes.
import assert from 'node:assert/strict'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test, type TestContext } from 'node:test'
import { ShoalClient } from '#client/shoal-client.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { RemoteUploads } from './remote-uploads.ts'
import { RemoteVolume } from './remote-volume.ts'

const TIME = '2026-01-02T03:04:05Z'
const ENTRY = {
  path: 'f',
  name: 'f',
  type: 'file',
  inode: 7,
  size: 10,
  mode: '0644',
  ...{ uid: 0, gid: 0, links: 1, rdev: 0, mtime: TIME, atime: TIME, ctime: TIME, btime: TIME, etag: '"7-1"' },
}
const VOLUME = { id: 1, name: 'docs', class: 'default', chunkSizeBytes: 1, usage: { bytes: 0, files: 0 }, created: TIME }
const PAGE = '<html>The page was not found</html>'

type Answer = (response: ServerResponse) => void

async function remote(t: TestContext) {
  let answer: Answer = (response) => response.end(JSON.stringify(VOLUME))
  const server = createServer((request, response) => {
    request.resume()
    answer(response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const client = new ShoalClient({ endpoint, accessKey: 'a', secretKey: 's', clock: nodeClock, random: nodeRandom })
  t.after(async () => {
    await client.close()
    server.closeAllConnections()
    server.close()
  })
  const volume = await RemoteVolume.open(client, 'docs', nodeClock)
  return { client, volume, answers: (next: Answer) => (answer = next) }
}

function json(value: unknown): Answer {
  return (response) => response.setHeader('content-type', 'application/json').end(JSON.stringify(value))
}

for (const [what, value] of Object.entries({
  'nothing at all': {},
  'a list': [],
  'a length below nothing': { ...ENTRY, size: -1 },
  'half a byte': { ...ENTRY, size: 1.5 },
  'less than nothing occupied': { ...ENTRY, occupied: -1 },
  'a length as text': { ...ENTRY, size: '10' },
  'no number': { ...ENTRY, inode: 0 },
  'a type of its own': { ...ENTRY, type: 'folder' },
  'a mode in letters': { ...ENTRY, mode: 'rw-r--r--' },
  'no owner': { ...ENTRY, uid: undefined },
  'a day for a time': { ...ENTRY, mtime: 'yesterday' },
  'no time': { ...ENTRY, ctime: undefined },
  'the entity tag of another server': { ...ENTRY, etag: 'W/"abc"' },
})) {
  test(`an entry with ${what} is an error`, async (t) => {
    const { volume, answers } = await remote(t)
    answers(json(value))
    await assert.rejects(volume.stat(['f']), { code: 'INTERNAL' })
    answers(json({ entries: [ENTRY, value] }))
    await assert.rejects(volume.list([]), { code: 'INTERNAL' })
  })
}

test('a node of an older release, which sets nothing aside, makes a file as long as it is to be', async (t) => {
  const { volume, answers } = await remote(t)
  const refusal = JSON.stringify({ status: 400, code: 'INVALID_ARGUMENT', title: 'No such operation' })
  const refuses: Answer = (response) => response.writeHead(400, { 'content-type': 'application/problem+json' }).end(refusal)
  const reserve = (length: number, keepsSize: boolean, next: readonly Answer[]) => {
    const left = [...next]
    answers((response) => (left.shift() ?? refuses)(response))
    return volume.reserve(['f'], { offset: 5, length, keepsSize }, { principal: 'mount' })
  }
  assert.equal((await reserve(20, false, [refuses, json(ENTRY), json({ ...ENTRY, size: 25 })])).sizeBytes, 25)
  assert.equal((await reserve(20, true, [refuses, json(ENTRY)])).sizeBytes, 10)
  assert.equal((await reserve(5, false, [refuses, json(ENTRY)])).sizeBytes, 10)
  const { occupiedBytes } = await reserve(20, true, [json({ ...ENTRY, occupied: 25 })])
  assert.equal(occupiedBytes, 25)
})

test('a page of something else is neither an entry nor the word that there is none', async (t) => {
  const { volume, answers } = await remote(t)
  answers((response) => response.end(PAGE))
  await assert.rejects(volume.stat(['f']), { code: 'INTERNAL', message: /not JSON/ })
  for (const status of [404, 409, 412]) {
    answers((response) => response.writeHead(status, { 'content-type': 'text/html' }).end(PAGE))
    await assert.rejects(volume.stat(['f']), { code: 'UNAVAILABLE', message: /no Shoal node/ })
    await assert.rejects(volume.remove(['f']), { code: 'UNAVAILABLE' })
  }
  const problem = { status: 404, code: 'NOT_FOUND', title: 'There is none' }
  answers((response) => response.writeHead(404, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem)))
  assert.equal(await volume.stat(['f']), undefined)
})

for (const name of ['', '.', '..', 'a/b', 'nul\0', 'x'.repeat(300), undefined, 7]) {
  test(`a listing with the name ${JSON.stringify(name)?.slice(0, 20)} is an error`, async (t) => {
    const { volume, answers } = await remote(t)
    answers(json({ entries: [{ ...ENTRY, name }] }))
    await assert.rejects(volume.list([]), { code: 'INTERNAL' })
  })
}

test('a listing without entries is an error', async (t) => {
  const { volume, answers } = await remote(t)
  answers(json({ next: 'more' }))
  await assert.rejects(volume.list([]), { code: 'INTERNAL' })
})

const HEADERS = { etag: '"7-1"', 'content-range': 'bytes 2-5/10' }

function part(bytes: string, headers: Readonly<Record<string, string>> = HEADERS, status = 206): Answer {
  return (response) => response.writeHead(status, { ...headers, 'content-length': bytes.length }).end(bytes)
}

for (const [what, code, answer] of [
  ['the whole file', 'UNSUPPORTED', part('0123456789', { etag: '"7-1"' }, 200)],
  ['another range', 'INTERNAL', part('0123', { ...HEADERS, 'content-range': 'bytes 0-3/10' })],
  ['no word of which range', 'INTERNAL', part('2345', { etag: '"7-1"' })],
  ['fewer bytes', 'INCOMPLETE_BODY', part('23', { ...HEADERS, 'content-range': 'bytes 2-3/4' })],
  ['more bytes', 'INTERNAL', part('234567', { ...HEADERS, 'content-range': 'bytes 2-7/10' })],
  ['fewer bytes than its range', 'INTERNAL', part('23')],
  ['another version', 'CONFLICT', part('2345', { ...HEADERS, etag: '"7-2"' })],
] as readonly (readonly [string, string, Answer])[]) {
  test(`${what}, where a range was asked for, is ${code} and no bytes to be read`, async (t) => {
    const { volume, answers } = await remote(t)
    answers(json(ENTRY))
    const file = await volume.openFile(['f'])
    assert.ok(file !== undefined)
    answers(answer)
    await assert.rejects(Array.fromAsync(file.read({ offset: 2, length: 4 })), { code })
    answers(part('2345'))
    assert.equal(Buffer.concat(await Array.fromAsync(file.read({ offset: 2, length: 4 }))).toString(), '2345')
  })
}

test('a batch that is answered for in part, or by something else, is not taken for stored', async (t) => {
  const { client, answers } = await remote(t)
  const uploads = new RemoteUploads(client, 'docs')
  const files = ['a', 'b'].map((path) => ({ kind: 'file' as const, path, bytes: Buffer.from(path), replaces: 'absent' as const }))
  for (const body of ['', `{"status":201,"entry":${JSON.stringify(ENTRY)}}\n`, `${PAGE}\n${PAGE}\n`]) {
    answers((response) => response.end(body))
    await assert.rejects(uploads.storeSmall(files), { code: 'INTERNAL' }, body)
  }
  answers((response) => response.end(`{"status":201,"entry":{}}\n`.repeat(2)))
  await assert.rejects(uploads.storeSmall(files), { code: 'INTERNAL' })
})
