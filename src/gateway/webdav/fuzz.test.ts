import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { caller, p } from '#volume/volume-fixture.suite.ts'
import { authorization, startTestDav, type TestDav } from './webdav-server.suite.ts'

const LOCK = '<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype><owner><href>a</href></owner></lockinfo>' // prettier-ignore
const PATCH = '<propertyupdate xmlns="DAV:" xmlns:x="urn:x"><set><prop><x:a y="1">b<x:c/></x:a></prop></set><remove><prop><x:d/></prop></remove></propertyupdate>' // prettier-ignore
const FIND = '<propfind xmlns="DAV:"><prop><getetag/><a xmlns="urn:x"/></prop></propfind>'
const TOKEN = 'opaquelocktoken:181d4fae-7d8c-11d0-a765-00a0c91e6bf2'

/** Requests as clients send them: a line, headers, a body. */
const RECORDED: readonly (readonly [line: string, headers: readonly string[], body: string])[] = [
  ['OPTIONS /dav/docs/', [], ''],
  ['GET /dav/docs/f', ['Range: bytes=1-2', 'If-None-Match: "x"'], ''],
  ['GET /dav/docs/dir/', [], ''],
  ['HEAD /dav/docs/f', ['If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT'], ''],
  ['PUT /dav/docs/new%20one', ['X-OC-Mtime: 1000000000', `If: (<${TOKEN}> ["a"]) (Not <DAV:no-lock>)`], 'contents'],
  ['PUT /dav/docs/f', ['If-Match: "a", W/"b"', 'X-Expected-Entity-Length: 5'], 'other'],
  ['PROPFIND /dav/docs/', ['Depth: infinity'], FIND],
  ['PROPFIND /dav/docs/dir', ['Depth: 1', `If: </dav/docs/dir> (<${TOKEN}>)`], ''],
  ['PROPPATCH /dav/docs/f', ['Content-Type: application/xml'], PATCH],
  ['MKCOL /dav/docs/made/', [], ''],
  ['COPY /dav/docs/dir', ['Destination: http://x/dav/docs/copy', 'Depth: infinity', 'Overwrite: T'], ''],
  ['MOVE /dav/docs/dir/in', ['Destination: /dav/other/moved', 'Overwrite: F'], ''],
  ['LOCK /dav/docs/f', ['Depth: 0', 'Timeout: Infinite, Second-4100000000'], LOCK],
  ['LOCK /dav/docs/f', [`If: (<${TOKEN}>)`, 'Timeout: Second-60'], ''],
  ['UNLOCK /dav/docs/f', [`Lock-Token: <${TOKEN}>`], ''],
  ['DELETE /dav/docs/dir', ['Depth: infinity'], ''],
]

const SPICE = ['<', '>', '&', '"', "'", '%', '%2e%2e', '/', '//', '\0', '\r\n', ' ', '(', ')', ',', ':', '-1', '99999999999999999999', 'DAV:', '<!DOCTYPE a>', ']]>', '\u00e9', '*', ';'] // prettier-ignore

const UNANSWERED_MS = 200

interface Mutation {
  readonly at: number
  readonly removed: number
  readonly put: string
}

function mutate(text: string, mutations: readonly Mutation[]): string {
  let changed = text
  for (const { at, removed, put } of mutations) {
    const from = Math.floor(at * (changed.length + 1))
    changed = changed.slice(0, from) + put + changed.slice(from + removed)
  }
  return changed
}

function send(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let received = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(Buffer.from(text, 'latin1')))
    // What is no whole request has no answer until its sender ends it.
    socket.setTimeout(UNANSWERED_MS, () => socket.end())
    socket.setEncoding('latin1').on('data', (piece: string) => (received += piece))
    socket.on('close', () => resolve(received)).on('error', reject)
  })
}

async function populate({ fixture: { volume } }: TestDav): Promise<void> {
  await volume.makeDirectory(p('dir'), { caller, parents: true })
  for (const path of ['f', 'dir/in']) await volume.writeFile(p(path), Buffer.from('hello'), { caller })
}

const mutation = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true }),
  removed: fc.constantFrom(0, 0, 1, 2, 10),
  put: fc.oneof(fc.constantFrom(...SPICE), fc.string({ maxLength: 3 })),
})

test('recorded requests, mutated in whatever way, never end in a 500, and change nothing when they are refused', async () => {
  await using dav = await startTestDav()
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...RECORDED),
      fc.constantFrom('line', 'headers', 'body', 'all'),
      fc.array(mutation, { maxLength: 3 }),
      async ([line, headers, body], where, mutations) => {
        // Locks of the runs before are over.
        dav.fixture.clock.advance(2 * 24 * 60 * 60 * 1000)
        await populate(dav)
        const change = (text: string, part: string) => (where === part || where === 'all' ? mutate(text, mutations) : text)
        const sentBody = change(body, 'body')
        const lengths = sentBody === '' ? [] : [`Content-Length: ${Buffer.byteLength(sentBody, 'latin1')}`]
        const fixed = ['Host: x', `Authorization: ${authorization('ANNE')}`, 'Connection: close', ...lengths]
        const head = `${change(line, 'line')} HTTP/1.1\r\n${[...fixed, change(headers.join('\r\n'), 'headers')].join('\r\n')}`
        const before = await dav.fixture.volumes.currentCursor()
        const answer = await send(dav.port, `${head.trimEnd()}\r\n\r\n${sentBody}`)
        const status = Number(/^HTTP\/1.1 (\d+)/.exec(answer)?.[1] ?? 0)
        assert.ok(status < 500 || status === 501 || status === 502 || status === 505, answer)
        if (status >= 400 && [...answer.matchAll(/HTTP\/1.1 /g)].length === 1)
          assert.equal(await dav.fixture.volumes.currentCursor(), before, answer)
      },
    ),
    { numRuns: 600 },
  )
  assert.equal((await dav.ask('OPTIONS', '/docs/')).status, 200)
})
