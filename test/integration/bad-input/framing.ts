import { randomBytes } from 'node:crypto'
import { AUTHORIZATION } from '../../support/node-process.ts'
import { request } from '../raw-http.ts'
import { API, entry, file, MAX_BODY_BYTES, raw, row, TIMEOUT_MS, volumeUrl } from './row.ts'
import type { Row } from './row.ts'

const INVALID = [400, 'INVALID_ARGUMENT'] as const
const NOT_FOUND = [404, 'NOT_FOUND'] as const
const INCOMPLETE = [400, 'INCOMPLETE_BODY'] as const
const MISMATCH = [400, 'DIGEST_MISMATCH'] as const
const UNAUTHENTICATED = [401, 'UNAUTHENTICATED'] as const
const TIMEOUT = [408, 'TIMEOUT'] as const
const TOO_LARGE = [413, 'TOO_LARGE'] as const
const TOO_MUCH = [431, 'HEADERS_TOO_LARGE'] as const

const HEAD = `Host: localhost\r\nAuthorization: ${AUTHORIZATION}\r\n`
const PUT = `PUT ${file('new')} HTTP/1.1\r\n${HEAD}`
const CHUNKED = { 'Transfer-Encoding': 'chunked' }
/** What a smuggler wants to be taken for a request of its own. */
const SMUGGLED = `DELETE ${file('a')} HTTP/1.1\r\n${HEAD}\r\n`
const WRONG_SHA256 = Buffer.alloc(32, 7)
const large = randomBytes(300_000)

const put = (headers: Record<string, string>, body: string | Buffer = 'hello') => ['PUT', file('new'), { headers, body }] as const
const length = (value: string) => put({ 'Content-Length': value })

const lengthRows: readonly Row[] = [
  raw('a Content-Length that is longer than the body', [request(...length('100'))], INCOMPLETE, { halfClose: true }),
  raw('the same for a large body', [request(...put({ 'Content-Length': '400000' }, large))], INCOMPLETE, { halfClose: true }),
  row(
    'a Content-Length that is shorter than what the digest covers',
    put({ 'Content-Length': '3', 'Content-MD5': 'XUFAKrxLKna5cZ2REBfFkg==' }),
    MISMATCH,
  ),
  row('a negative Content-Length', length('-5'), INVALID),
  row('a Content-Length that is no number', length('five'), INVALID),
  row('a hexadecimal Content-Length', length('0x5'), INVALID),
  row('a Content-Length with a sign', length('+5'), INVALID),
  row('a Content-Length with a fraction', length('5.0'), INVALID),
  row('an empty Content-Length', length(''), INVALID),
  row('a list of equal Content-Lengths', length('5, 5'), INVALID),
  row('a Content-Length beyond 64 bits', length('99999999999999999999'), INVALID),
  row('a Content-Length beyond what numbers hold exactly', length('9007199254740993'), TOO_LARGE),
  row('a Content-Length one above the limit', length(String(MAX_BODY_BYTES + 1)), TOO_LARGE),
  raw('two different Content-Lengths', [`${PUT}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`], INVALID),
  raw('two equal Content-Lengths', [`${PUT}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`], INVALID),
  raw(
    'a Content-Length beside chunks',
    [`${PUT}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`],
    INVALID,
  ),
]

const chunkRows: readonly Row[] = [
  row(
    'chunks beyond the limit, before they have come',
    ['PATCH', `${file('a')}?offset=0`, { headers: { 'Content-Length': String(64 * 1024 * 1024 + 1) } }],
    TOO_LARGE,
  ),
  row('a chunk without a size', put(CHUNKED_ONLY(), 'zz\r\nhello\r\n0\r\n\r\n'), INVALID),
  row('a chunk whose size overflows', put(CHUNKED_ONLY(), 'fffffffffffffffff\r\nhello\r\n0\r\n\r\n'), INVALID),
  row('a chunk with a negative size', put(CHUNKED_ONLY(), '-5\r\nhello\r\n0\r\n\r\n'), INVALID),
  row('a chunk that is longer than its size', put(CHUNKED_ONLY(), '3\r\nhello\r\n0\r\n\r\n'), INVALID),
  row('a chunk that ends with a bare LF', put(CHUNKED_ONLY(), '5\nhello\n0\n\n'), INVALID),
  raw('chunks that end in the middle', [request(...put(CHUNKED_ONLY(), 'a\r\nhello'))], INCOMPLETE, { halfClose: true }),
  raw('chunks without the last one', [request(...put(CHUNKED_ONLY(), '5\r\nhello\r\n'))], INCOMPLETE, { halfClose: true }),
  row('an unknown Transfer-Encoding', put({ ...CHUNKED_ONLY(), 'Transfer-Encoding': 'gzip' }), INVALID),
  row('a Transfer-Encoding behind chunks', put({ ...CHUNKED_ONLY(), 'Transfer-Encoding': 'chunked, gzip' }), INVALID),
  row('a Transfer-Encoding that only looks like chunks', put({ ...CHUNKED_ONLY(), 'Transfer-Encoding': 'xchunked' }), INVALID),
  row('a coded body', put({ 'Content-Encoding': 'gzip' }), [501, 'UNSUPPORTED']),
  row('a part of a body', put({ 'Content-Range': 'bytes 0-4/100' }), INVALID),
  row('an expectation that nobody can meet', put({ Expect: 'a-miracle' }), [417]),
]

/** Only chunks say where the body ends. */
function CHUNKED_ONLY(): Record<string, string> {
  return { ...CHUNKED, 'Content-Length': undefined as unknown as string }
}

const smugglingRows: readonly Row[] = [
  raw(
    'a request behind a Content-Length that chunks contradict',
    [`${PUT}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    INVALID,
  ),
  raw(
    'a request in chunks that a Content-Length contradicts',
    [`${PUT}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n${SMUGGLED}\r\n0\r\n\r\n`],
    INVALID,
  ),
  raw(
    'a space before the colon of Transfer-Encoding',
    [`${PUT}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    INVALID,
  ),
  raw('a folded Transfer-Encoding', [`${PUT}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`], INVALID),
  raw('a vertical tab before "chunked"', [`${PUT}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n${SMUGGLED}`], INVALID),
  raw(
    'two Transfer-Encodings',
    [`${PUT}Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${SMUGGLED}`],
    INVALID,
  ),
  raw('a line feed in a header', [`${PUT}X-A: b\nContent-Length: 0\r\n\r\n${SMUGGLED}`], INVALID),
  raw('a carriage return in a header', [`${PUT}X-A: b\rContent-Length: 0\r\n\r\n${SMUGGLED}`], INVALID),
  raw('a header without a colon', [`${PUT}Content-Length\r\n\r\n${SMUGGLED}`], INVALID),
  raw('a space in the name of a header', [`${PUT}Content Length: 5\r\n\r\nhello`], INVALID),
  raw('NUL in a header', [`${PUT}X-A: b\0c\r\nContent-Length: 5\r\n\r\nhello`], INVALID),
  raw(
    'lines that end with bare LF',
    [`PUT ${file('new')} HTTP/1.1\nHost: localhost\nAuthorization: ${AUTHORIZATION}\nContent-Length: 5\n\nhello`],
    INVALID,
  ),
  raw(
    'a line feed in a chunk extension',
    [`${PUT}Transfer-Encoding: chunked\r\n\r\n5;a\nb\r\nhello\r\n0\r\n\r\n${SMUGGLED}`],
    INVALID,
  ),
  row('a request in the body of a GET', ['GET', file('none'), { body: SMUGGLED }], NOT_FOUND),
]

const protocolRows: readonly Row[] = [
  row('no Host', ['PUT', file('new'), { headers: { Host: undefined }, body: 'x' }], INVALID),
  raw(
    'two Hosts',
    [`PUT ${file('new')} HTTP/1.1\r\n${HEAD}Host: elsewhere\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello`],
    INVALID,
  ),
  row('HTTP/1.0 without a Host', ['GET', file('none'), { version: 'HTTP/1.0', headers: { Host: undefined } }], NOT_FOUND),
  row('a version that nobody speaks', ['PUT', file('new'), { version: 'HTTP/9.9', body: 'x' }], INVALID),
  raw('the first bytes of HTTP/2', ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'], INVALID),
  raw('HTTP/0.9', [`GET ${file('a')}\r\n\r\n`], UNAUTHENTICATED),
  row('an absolute target', ['GET', `http://elsewhere${file('none')}`], NOT_FOUND),
  row('an absolute target that is no address', ['PUT', 'http:', { body: 'x' }], INVALID),
  row('a target without a slash', ['GET', 'api/v1/status'], INVALID),
  row('a tunnel', ['CONNECT', 'elsewhere:443'], [405, 'METHOD_NOT_ALLOWED']),
  row(
    'an upgrade to a WebSocket',
    ['GET', file('none'), { headers: { Connection: 'Upgrade', Upgrade: 'websocket' } }],
    NOT_FOUND,
  ),
  row(
    'an upgrade of a PUT',
    ['PUT', file('..'), { headers: { Connection: 'Upgrade', Upgrade: 'h2c' }, body: 'x' }],
    [400, 'INVALID_PATH'],
  ),
  raw('a TLS greeting', [Buffer.from('16030100c8010000c40303', 'hex'), randomBytes(192)], INVALID),
  raw('bytes that mean nothing', [Buffer.from('00ff10fe', 'hex'), Buffer.alloc(1000, 0xee)], INVALID),
  raw('words that mean nothing', ['hello, is anybody there?\r\n\r\n'], INVALID),
  raw('a request that ends within its headers', [PUT], INVALID, { halfClose: true }),
  row('a method that does not exist', ['BREW', file('a')], INVALID),
  row('a method in lower case', ['put', file('new'), { body: 'x' }], INVALID),
  row('a method of another protocol', ['PROPFIND', file('a')], [405, 'METHOD_NOT_ALLOWED']),
  row('TRACE', ['TRACE', file('a')], [405, 'METHOD_NOT_ALLOWED']),
  row('POST on a file', ['POST', file('a'), { body: 'x' }], [405, 'METHOD_NOT_ALLOWED']),
  row('DELETE on all volumes', ['DELETE', `${API}/volumes`], [405, 'METHOD_NOT_ALLOWED']),
  row('an address with nothing there', ['GET', `${API}/nothing`], NOT_FOUND),
  row('an address above the interface', ['PUT', '/api', { body: 'x' }], NOT_FOUND),
]

const headerRows: readonly Row[] = [
  row('a header of 100 KB', put({ 'X-Long': 'x'.repeat(100_000) }), TOO_MUCH),
  row('a target of 100 KB', ['PUT', file('n'.repeat(100_000)), { body: 'x' }], TOO_MUCH),
  raw('20,000 headers', [`${PUT}${'a: b\r\n'.repeat(20_000)}\r\n`], TOO_MUCH),
  raw(
    'trailers of 100 KB',
    [`${PUT}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`],
    INVALID,
  ),
]

const slowRows: readonly Row[] = [
  raw('headers that stop coming', [PUT, 2 * TIMEOUT_MS], TIMEOUT),
  raw('headers that drip', [PUT, ...Array.from({ length: 8 }, () => ['X-A: b\r\n', TIMEOUT_MS / 3]).flat()], TIMEOUT),
  raw('a body that stops coming', [request(...length('1000')), 2 * TIMEOUT_MS], TIMEOUT),
  raw(
    'a body that drips',
    [request(...length('100000')), ...Array.from({ length: 10 }, () => ['x', TIMEOUT_MS / 3]).flat()],
    TIMEOUT,
  ),
  raw('chunks that stop coming', [request(...put(CHUNKED_ONLY(), '5\r\nhello\r\n')), 2 * TIMEOUT_MS], TIMEOUT),
  raw(
    'JSON that stops coming',
    [request('POST', entry('new'), { headers: { 'Content-Length': '100' }, body: '{"op":' }), 2 * TIMEOUT_MS],
    TIMEOUT,
  ),
]

const sha256Header = `sha-256=:${WRONG_SHA256.toString('base64')}:`
const digestRows: readonly Row[] = [
  row('a wrong Content-MD5', put({ 'Content-MD5': WRONG_SHA256.subarray(0, 16).toString('base64') }), MISMATCH),
  row('a wrong Repr-Digest', put({ 'Repr-Digest': sha256Header }), MISMATCH),
  row('a wrong Content-Digest', put({ 'Content-Digest': sha256Header }), MISMATCH),
  row('a wrong X-Content-SHA256', put({ 'X-Content-SHA256': WRONG_SHA256.toString('hex') }), MISMATCH),
  row('a wrong digest of a large body', put({ 'X-Content-SHA256': WRONG_SHA256.toString('hex') }, large), MISMATCH),
  row('a wrong MD5 of a large body', put({ 'Content-MD5': WRONG_SHA256.subarray(0, 16).toString('base64') }, large), MISMATCH),
  row('a wrong digest of chunks', put({ ...CHUNKED_ONLY(), 'Repr-Digest': sha256Header }, '5\r\nhello\r\n0\r\n\r\n'), MISMATCH),
  row('a wrong digest of nothing', ['PUT', file('new'), { headers: { 'Repr-Digest': sha256Header } }], MISMATCH),
  row(
    'a wrong digest among others',
    put({ 'Repr-Digest': `sha-512=:${Buffer.alloc(64).toString('base64')}:, ${sha256Header}` }),
    MISMATCH,
  ),
  row('digests that contradict each other', put({ 'Repr-Digest': sha256Header, 'X-Content-SHA256': '00'.repeat(32) }), MISMATCH),
  row(
    'a wrong digest of bytes at an offset',
    ['PATCH', `${file('a')}?offset=0`, { headers: { 'X-Content-SHA256': WRONG_SHA256.toString('hex') }, body: 'x' }],
    MISMATCH,
  ),
  row('a Content-MD5 that is no base64', put({ 'Content-MD5': '!!!' }), INVALID),
  row('a Content-MD5 that is too short', put({ 'Content-MD5': 'aGVsbG8=' }), INVALID),
  row('a Repr-Digest that is no dictionary', put({ 'Repr-Digest': 'hello' }), INVALID),
  row('a Repr-Digest without colons', put({ 'Repr-Digest': `sha-256=${WRONG_SHA256.toString('base64')}` }), INVALID),
  row('a Content-Digest that is too short', put({ 'Content-Digest': 'sha-256=:aGVsbG8=:' }), INVALID),
  row('an X-Content-SHA256 that is too short', put({ 'X-Content-SHA256': 'abcd' }), INVALID),
  row('an X-Content-SHA256 that is not hexadecimal', put({ 'X-Content-SHA256': 'z'.repeat(64) }), INVALID),
]

/** `a` has 5 bytes. */
const range = (value: string, path = 'a') => ['GET', file(path), { headers: { Range: value } }] as const
const UNSATISFIABLE = [416, 'RANGE_NOT_SATISFIABLE'] as const
const rangeRows: readonly Row[] = [
  row('a range behind the end', range('bytes=10-20'), UNSATISFIABLE),
  row('a range that begins at the end', range('bytes=5-'), UNSATISFIABLE),
  row('the last 0 bytes', range('bytes=-0'), UNSATISFIABLE),
  row('ranges that are all behind the end', range('bytes=10-20, 30-40'), UNSATISFIABLE),
  row('a range of an empty file', range('bytes=0-0', 'dir/sub/empty'), UNSATISFIABLE),
  row('a range that is none', range('bytes=abc'), [200]),
  row('a range that ends before it begins', range('bytes=3-1'), [200]),
  row('a range of another unit', range('lines=0-1'), [200]),
  row('a range of numbers without end', range(`bytes=${'9'.repeat(40)}-`), [200]),
  row('too many ranges', range(`bytes=${Array.from({ length: 65 }, () => '0-0').join(',')}`), [200]),
  row('ranges that ask for more than there is', range('bytes=0-4,0-4,0-4'), [200]),
  row('a range of a directory', range('bytes=0-1', 'dir'), [409, 'IS_A_DIRECTORY']),
]

const basic = (text: string) => ({ headers: { Authorization: `Basic ${Buffer.from(text).toString('base64')}` }, body: 'x' })
const keyRows: readonly Row[] = [
  raw(
    'a right key behind a wrong one',
    [`DELETE ${file('a')} HTTP/1.1\r\nAuthorization: Basic eDp5\r\n${HEAD}\r\n`],
    UNAUTHENTICATED,
  ),
  row('no key', ['PUT', file('new'), { headers: { Authorization: undefined }, body: 'x' }], UNAUTHENTICATED),
  row('an unknown key', ['PUT', file('new'), basic('nobody:not-a-secret-at-all')], UNAUTHENTICATED),
  row('a wrong secret', ['PUT', file('new'), basic('crash-test:wrong')], UNAUTHENTICATED),
  row('an empty secret', ['PUT', file('new'), basic('crash-test:')], UNAUTHENTICATED),
  row('a key without a secret', ['PUT', file('new'), basic('crash-test')], UNAUTHENTICATED),
  row('a key that is no base64', ['PUT', file('new'), { headers: { Authorization: 'Basic !!!' }, body: 'x' }], UNAUTHENTICATED),
  row('another scheme', ['PUT', file('new'), { headers: { Authorization: 'Bearer abcdef' }, body: 'x' }], UNAUTHENTICATED),
  row('an empty Authorization', ['DELETE', file('a'), { headers: { Authorization: '' } }], UNAUTHENTICATED),
  row('metrics without a key', ['GET', '/metrics', { headers: { Authorization: undefined } }], UNAUTHENTICATED),
  row(
    'a change that a browser sends for another site',
    ['DELETE', file('a'), { headers: { 'Sec-Fetch-Site': 'cross-site' } }],
    [403, 'FORBIDDEN'],
  ),
  row(
    'a volume that a browser makes for another site',
    ['PUT', `${volumeUrl}2`, { headers: { 'Sec-Fetch-Site': 'same-site' } }],
    [403, 'FORBIDDEN'],
  ),
]

/** HTTP itself: what frames a request, and what stands in its headers. */
export const framingRows: readonly Row[] = [
  ...lengthRows,
  ...chunkRows,
  ...smugglingRows,
  ...protocolRows,
  ...headerRows,
  ...slowRows,
  ...digestRows,
  ...rangeRows,
  ...keyRows,
]
