import { AUTHORIZATION } from '#gateway/rest/rest-server.suite.ts'

export const FILE = '/api/v1/volumes/docs/files'
export const COMMON = `Host: x\r\nAuthorization: ${AUTHORIZATION}\r\n`
export const message = (line: string, headers = '', body = '') => `${line} HTTP/1.1\r\n${COMMON}${headers}\r\n${body}`
export const put = (path: string, body: string, headers = '') =>
  message(`PUT ${FILE}/${path}`, `Content-Length: ${body.length}\r\n${headers}`, body)
export const statuses = (answer: string) => [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]))
export const codeIn = (answer: string) => /"code":"([A-Z_]+)"/.exec(answer)?.[1]

export interface BadRequest {
  readonly name: string
  readonly bytes: string | Buffer
  readonly status: number
  readonly code: string | undefined
}

const long = 'x'.repeat(70_000)
export const BAD_REQUESTS: readonly BadRequest[] = [
  { name: 'no HTTP at all', bytes: 'hello\r\n\r\n', status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'a TLS handshake', bytes: Buffer.from('160301020001000001fc0303', 'hex'), status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'no Host', bytes: 'GET / HTTP/1.1\r\n\r\n', status: 400, code: undefined },
  { name: 'an unknown method', bytes: 'FROB / HTTP/1.1\r\nHost: x\r\n\r\n', status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'a space before the colon', bytes: 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'a folded header', bytes: 'GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n', status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'NUL in a header', bytes: 'GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n', status: 400, code: 'INVALID_ARGUMENT' },
  {
    name: 'bare line feeds',
    bytes: `PUT ${FILE}/x HTTP/1.1\n${COMMON}Content-Length: 1\n\nx`,
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'Content-Length twice',
    bytes: message(`PUT ${FILE}/x`, 'Content-Length: 1\r\nContent-Length: 2\r\n', 'xx'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'Content-Length that is no number',
    bytes: message(`PUT ${FILE}/x`, 'Content-Length: 0x1\r\n', 'x'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a negative Content-Length',
    bytes: message(`PUT ${FILE}/x`, 'Content-Length: -1\r\n', 'x'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a list as Content-Length',
    bytes: message(`PUT ${FILE}/x`, 'Content-Length: 1, 1\r\n', 'x'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'Content-Length beside Transfer-Encoding',
    bytes: message(`PUT ${FILE}/x`, 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'Transfer-Encoding that is not chunked last',
    bytes: message(`PUT ${FILE}/x`, 'Transfer-Encoding: chunked, gzip\r\n', '0\r\n\r\n'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'Transfer-Encoding with a trick',
    bytes: message(`PUT ${FILE}/x`, 'Transfer-Encoding: xchunked\r\n', '0\r\n\r\n'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a chunk size that is none',
    bytes: message(`PUT ${FILE}/x`, 'Transfer-Encoding: chunked\r\n', 'zz\r\nx\r\n0\r\n\r\n'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  { name: 'headers past the limit', bytes: message('GET /', `X: ${long}\r\n`), status: 431, code: 'HEADERS_TOO_LARGE' },
  { name: 'a target past the limit', bytes: message(`GET /${long}`), status: 431, code: 'HEADERS_TOO_LARGE' },
  {
    name: 'raw bytes in the target',
    bytes: Buffer.from(message(`PUT ${FILE}/\xe4`, 'Content-Length: 1\r\n', 'x'), 'latin1'),
    status: 400,
    code: undefined,
  },
  { name: 'broken percent-encoding', bytes: put('a%zz', 'x'), status: 400, code: 'INVALID_PATH' },
  { name: 'percent-encoding cut short', bytes: put('a%4', 'x'), status: 400, code: 'INVALID_PATH' },
  { name: 'an encoded NUL', bytes: put('a%00b', 'x'), status: 400, code: 'INVALID_PATH' },
  { name: 'two dots', bytes: put('a/../b', 'x'), status: 400, code: 'INVALID_PATH' },
  { name: 'encoded dots', bytes: put('%2e%2e/b', 'x'), status: 400, code: 'INVALID_PATH' },
  { name: 'one dot', bytes: put('./b', 'x'), status: 400, code: 'INVALID_PATH' },
  { name: 'a name of 256 bytes', bytes: put('n'.repeat(256), 'x'), status: 400, code: 'NAME_TOO_LONG' },
  { name: 'a path past its limit', bytes: put('abc/'.repeat(4200), 'x'), status: 400, code: 'NAME_TOO_LONG' },
  {
    name: 'an unknown volume',
    bytes: message('PUT /api/v1/volumes/nope/files/x', 'Content-Length: 1\r\n', 'x'),
    status: 404,
    code: 'VOLUME_NOT_FOUND',
  },
  {
    name: 'a wrong key',
    bytes: `PUT ${FILE}/x HTTP/1.1\r\nHost: x\r\nAuthorization: Basic eDp5\r\nContent-Length: 1\r\n\r\nx`,
    status: 401,
    code: 'UNAUTHENTICATED',
  },
  {
    name: 'no key',
    bytes: `PUT ${FILE}/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx`,
    status: 401,
    code: 'UNAUTHENTICATED',
  },
  {
    name: 'a wrong digest',
    bytes: put('x', 'x', `X-Content-SHA256: ${'0'.repeat(64)}\r\n`),
    status: 400,
    code: 'DIGEST_MISMATCH',
  },
  { name: 'a digest that is none', bytes: put('x', 'x', 'X-Content-SHA256: abc\r\n'), status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'Content-MD5 that is none', bytes: put('x', 'x', 'Content-MD5: abc\r\n'), status: 400, code: 'INVALID_ARGUMENT' },
  {
    name: 'Repr-Digest that is none',
    bytes: put('x', 'x', 'Repr-Digest: sha-256=abc\r\n'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  { name: 'a condition that is none', bytes: put('x', 'x', 'If-Match: abc\r\n'), status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'Content-Range on PUT', bytes: put('x', 'x', 'Content-Range: bytes 0-0/1\r\n'), status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'Content-Encoding on PUT', bytes: put('x', 'x', 'Content-Encoding: gzip\r\n'), status: 501, code: 'UNSUPPORTED' },
  { name: 'a mode that is none', bytes: put('x', 'x', 'X-Shoal-Mode: rwx\r\n'), status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'a time that is none', bytes: put('x', 'x', 'X-Shoal-Mtime: yesterday\r\n'), status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'an owner that is none', bytes: put('x', 'x', 'X-Shoal-Uid: -1\r\n'), status: 400, code: 'INVALID_ARGUMENT' },
  {
    name: 'PATCH without an offset',
    bytes: message(`PATCH ${FILE}/x`, 'Content-Length: 1\r\n', 'x'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a negative offset',
    bytes: message(`PATCH ${FILE}/x?offset=-1`, 'Content-Length: 1\r\n', 'x'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a write at an offset past its limit',
    bytes: message(`PATCH ${FILE}/x?offset=0`, 'Content-Length: 67108865\r\n'),
    status: 413,
    code: 'TOO_LARGE',
  },
  { name: 'a parameter that is none', bytes: message(`GET ${FILE}/x?frob=1`), status: 400, code: 'INVALID_ARGUMENT' },
  { name: 'a limit of none', bytes: message('GET /api/v1/volumes/docs/entries/?limit=0'), status: 400, code: 'INVALID_ARGUMENT' },
  {
    name: 'JSON that is none',
    bytes: message('PUT /api/v1/volumes/other', 'Content-Length: 1\r\n', '{'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'JSON that is not UTF-8',
    bytes: Buffer.from(message('PUT /api/v1/volumes/other', 'Content-Length: 3\r\n', '"\xff"'), 'latin1'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'JSON with an unknown field',
    bytes: message('PUT /api/v1/volumes/other', 'Content-Length: 7\r\n', '{"a":1}'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'JSON past its limit',
    bytes: message('PUT /api/v1/volumes/other', 'Content-Length: 1048577\r\n'),
    status: 413,
    code: 'TOO_LARGE',
  },
  {
    name: 'an operation that is none',
    bytes: message('POST /api/v1/volumes/docs/entries/x', 'Content-Length: 13\r\n', '{"op":"frob"}'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a volume with a bad name',
    bytes: message('PUT /api/v1/volumes/UPPER', 'Content-Length: 0\r\n'),
    status: 400,
    code: 'INVALID_ARGUMENT',
  },
  {
    name: 'a method that the path does not have',
    bytes: message('DELETE /api/v1/volumes', ''),
    status: 405,
    code: 'METHOD_NOT_ALLOWED',
  },
  { name: 'an expectation that is none', bytes: put('x', 'x', 'Expect: magic\r\n'), status: 417, code: undefined },
  { name: 'a file in the way of a directory', bytes: put('present/below', 'x'), status: 409, code: 'NOT_A_DIRECTORY' },
  { name: 'a disk that is full', bytes: put('full', 'x'), status: 507, code: 'NO_SPACE' },
]
