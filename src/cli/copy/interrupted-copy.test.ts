import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, truncateSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { EXIT } from '../exit-code.ts'
import { copyFixture } from './copy-fixture.suite.ts'
import { StaleParts } from './stale-parts.ts'

const fixture = copyFixture()
const { copy, stored, write } = fixture

describe('cp of a large file', () => {
  const SIZE = 70 * 1024 * 1024

  function plantLarge(): string {
    const path = write('large', 'start')
    truncateSync(path, SIZE)
    return path
  }

  it('goes up in parts, and a second run sends only those that are missing', async () => {
    const large = plantLarge()
    fixture.cli.server.fault = (request) =>
      request.url?.endsWith('/parts/2') === true ? { status: 400, code: 'INVALID_ARGUMENT' } : undefined
    assert.equal((await copy(large, 'docs:/')).code, EXIT.failure)
    assert.equal(stored('large'), undefined)
    fixture.cli.server.fault = () => undefined
    const { code, requests } = await copy(large, 'docs:/')
    assert.equal(code, EXIT.ok)
    assert.deepEqual(
      requests.filter((line) => line.includes('/parts/')).map((line) => line.slice(-7)),
      ['parts/2'],
    )
    assert.equal(stored('large')?.bytes.length, SIZE)
    assert.equal(
      createHash('sha256').update(stored('large')!.bytes).digest('hex'),
      createHash('sha256').update(readFileSync(large)).digest('hex'),
    )
    assert.deepEqual(readdirSync(join(fixture.root, 'home/.local/state/shoal/uploads')), [])
  })

  it('begins anew when the file is another by then', async () => {
    const large = plantLarge()
    fixture.cli.server.fault = (request) =>
      request.url?.endsWith('/parts/2') === true ? { status: 400, code: 'INVALID_ARGUMENT' } : undefined
    await copy(large, 'docs:/')
    fixture.cli.server.fault = () => undefined
    utimesSync(large, 5, 5)
    const { requests } = await copy(large, 'docs:/')
    assert.equal(requests.filter((line) => line.includes('/parts/')).length, 2)
  })
})

describe('cp --resume', () => {
  const PART = 64 * 1024 * 1024

  /** A file of two parts, the first of which is in an upload that somebody has begun. */
  function plantBegun(): string {
    const path = write('large', randomBytes(1_000))
    truncateSync(path, PART + 1_000)
    const bytes = readFileSync(path).subarray(0, PART)
    const info = { number: 1, size: PART, sha256: createHash('sha256').update(bytes).digest('hex') }
    const begun = {
      id: '0'.repeat(31).concat('7'),
      path: 'large',
      settings: { mode: '0600' },
      parts: new Map([[1, { info, bytes }]]),
    }
    fixture.cli.server.volumes.get('docs')!.uploads.set(begun.id, begun)
    return path
  }

  const partsIn = (requests: readonly string[]) =>
    requests.filter((line) => line.includes('/parts/')).map((line) => line.slice(-7))

  it('goes on from an unfinished upload that another machine has begun', async () => {
    const large = plantBegun()
    const { code, requests } = await copy('--resume', large, 'docs:/')
    assert.equal(code, EXIT.ok)
    assert.deepEqual(partsIn(requests), ['parts/2'])
    assert.ok(stored('large')?.bytes.equals(readFileSync(large)))
    assert.equal(stored('large')?.mode, '0644')
  })

  it('alone does so: an upload of the same path may be another file', async () => {
    const { requests } = await copy('--update', plantBegun(), 'docs:/')
    assert.deepEqual(partsIn(requests).toSorted(), ['parts/1', 'parts/2'])
  })

  it('publishes nothing if somebody else sends parts to the same upload', async () => {
    const large = plantBegun()
    const server = fixture.cli.server
    server.fault = (request) => {
      if (request.url?.endsWith('/parts/2') === true) {
        const bytes = Buffer.from('other')
        const info = { number: 1, size: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
        for (const upload of server.volumes.get('docs')!.uploads.values()) upload.parts.set(1, { info, bytes })
      }
      return undefined
    }
    const { code, err } = await copy('--resume', large, 'docs:/')
    assert.equal(code, EXIT.failure)
    assert.match(err, /Others send parts/)
    assert.equal(stored('large'), undefined)
  })
})

describe('what a copy that was killed has left', () => {
  const OLD = '.shoal-0123456789ab-7.part'

  it('goes when another copies to the same directory, but not before it is old', async () => {
    fixture.cli.server.put(fixture.cli.server.volumes.get('docs')!, 'f', { bytes: Buffer.from('content') })
    write(`out/${OLD}`)
    write('out/.shoal-mine.part')
    const names = () => readdirSync(join(fixture.root, 'out')).toSorted()
    await copy('docs:/f', join(fixture.root, 'out'))
    assert.deepEqual(names(), [OLD, '.shoal-mine.part', 'f'])
    // The clock of a file system can't be set: an hour passes for the one who looks.
    const parts = new StaleParts((fd) => fstatSync(fd).ctimeMs + 2 * 60 * 60_000)
    const fd = openSync(join(fixture.root, 'out/f'), 'r')
    parts.removeFrom(Buffer.from(join(fixture.root, 'out')), fd)
    closeSync(fd)
    assert.deepEqual(names(), ['.shoal-mine.part', 'f'])
  })
})
