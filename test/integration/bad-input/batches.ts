import { API, raw, volumeUrl } from './row.ts'
import { request } from '../raw-http.ts'
import type { Row } from './row.ts'

const INVALID = [400, 'INVALID_ARGUMENT'] as const
const INCOMPLETE = [400, 'INCOMPLETE_BODY'] as const
const batchUrl = `${volumeUrl}/batch/`

/** A record with this header, however wrong it is. */
function record(header: unknown, bytes = ''): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header))
  return Buffer.concat([prefix(text.length), text, Buffer.from(bytes)])
}

function prefix(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(length)
  return bytes
}

/** Its problem is its line, and the batch goes on. */
const REFUSED = record({ path: '..', size: 1 }, 'x')

function batch(name: string, pieces: readonly Buffer[], expected: readonly [number, string?], lines?: readonly string[]): Row {
  const row = raw(name, [request('POST', batchUrl, { body: Buffer.concat(pieces) })], expected)
  return lines === undefined ? row : { ...row, lines }
}

/** The batch as a whole is fine, and each record is refused by itself. */
const lines = (name: string, pieces: readonly Buffer[], ...codes: string[]): Row => batch(name, pieces, [200], codes)

/** Streams of records that are damaged, or that ask for what can't be. */
export const batchRows: readonly Row[] = [
  batch('a batch whose header has no bytes', [prefix(0)], INVALID),
  batch('a batch whose header is too long', [prefix(200_000), Buffer.alloc(200_000, 0x20)], INVALID),
  batch('a batch whose header is 4 GiB', [prefix(0xffff_ffff)], INVALID),
  batch('a batch that ends within a length', [Buffer.from([0, 0])], INCOMPLETE),
  batch('a batch that ends within a header', [prefix(100), Buffer.from('{"path":')], INCOMPLETE),
  batch('a batch that ends within a file', [record({ path: 'x', size: 10 }, 'abc')], INCOMPLETE),
  batch('a batch whose file is missing', [record({ path: 'x', size: 10 })], INCOMPLETE),
  batch('a batch whose header is not JSON', [record('{"path":')], INVALID),
  batch('a batch with a negative size', [record({ path: 'x', size: -1 })], INVALID),
  batch('a batch with a size that is half a byte', [record({ path: 'x', size: 0.5 })], INVALID),
  batch('a batch with a size that is a word', [record({ path: 'x', size: '3' }, 'abc')], INVALID),
  batch('a batch that is text', [Buffer.from('hello, world')], INVALID),
  lines(
    'a batch whose size is too small, so that the next record is none',
    [record({ path: '..', size: 1 }, 'xyz~~~')],
    'INVALID_PATH',
    'INVALID_ARGUMENT',
  ),
  lines('a batch whose second record breaks off', [REFUSED, prefix(100)], 'INVALID_PATH', 'INCOMPLETE_BODY'),
  lines('a batch whose second header is not JSON', [REFUSED, record('nonsense')], 'INVALID_PATH', 'INVALID_ARGUMENT'),
  lines('a batch with ".."', [record({ path: '../../x', size: 1 }, 'x')], 'INVALID_PATH'),
  lines('a batch with ".." on the way', [record({ path: 'a/../x', size: 1 }, 'x')], 'INVALID_PATH'),
  lines('a batch with NUL', [record({ path: 'a\0b', size: 1 }, 'x')], 'INVALID_PATH'),
  lines('a batch with a surrogate that stands for no byte', [record('{"path":"x\\ud800","size":1}', 'x')], 'INVALID_PATH'),
  lines('a batch with a name that is too long', [record({ path: 'n'.repeat(256), size: 1 }, 'x')], 'NAME_TOO_LONG'),
  lines('a batch without a path', [record({ size: 1 }, 'x')], 'INVALID_ARGUMENT'),
  lines('a batch onto the root', [record({ path: '', size: 1 }, 'x')], 'IS_A_DIRECTORY'),
  lines('a batch with a list for a header', [record([])], 'INVALID_ARGUMENT'),
  lines('a batch with null for a header', [record('null')], 'INVALID_ARGUMENT'),
  lines('a batch with an unknown field', [record({ path: 'x', size: 1, colour: 'red' }, 'x')], 'INVALID_ARGUMENT'),
  lines('a batch with a mode that is none', [record({ path: 'x', size: 1, mode: 'rw' }, 'x')], 'INVALID_ARGUMENT'),
  lines('a batch with a time that is none', [record({ path: 'x', size: 1, mtime: 'now' }, 'x')], 'INVALID_ARGUMENT'),
  lines('a batch with an unknown type', [record({ path: 'x', type: 'fifo' })], 'INVALID_ARGUMENT'),
  lines('a batch with a link to nothing', [record({ path: 'x', type: 'symlink' })], 'INVALID_ARGUMENT'),
  lines('a batch with a wrong digest', [record({ path: 'x', size: 1, sha256: '00'.repeat(32) }, 'x')], 'DIGEST_MISMATCH'),
  lines('a batch with a digest that is none', [record({ path: 'x', size: 1, sha256: 'abc' }, 'x')], 'INVALID_ARGUMENT'),
  lines(
    'a batch with a file of more than 1 MiB',
    [record({ path: 'x', size: 1024 * 1024 + 1 }, 'x'.repeat(1024 * 1024 + 1)), REFUSED],
    'TOO_LARGE',
    'INVALID_PATH',
  ),
  lines('a batch onto a directory', [record({ path: 'dir', size: 1 }, 'x')], 'IS_A_DIRECTORY'),
  lines('a batch below a file', [record({ path: 'a/x', size: 1 }, 'x')], 'NOT_A_DIRECTORY'),
  lines('a batch below a circle of links', [record({ path: 'circle-1/x', size: 1 }, 'x')], 'NOT_A_DIRECTORY'),
  raw(
    'a batch for a volume that does not exist',
    [request('POST', `${API}/volumes/none/batch/`, { body: REFUSED })],
    [404, 'VOLUME_NOT_FOUND'],
  ),
  raw('a batch below ".."', [request('POST', `${batchUrl}..`, { body: REFUSED })], [400, 'INVALID_PATH']),
]
