import { API, entry, file, jsonRow, row, volumeUrl } from './row.ts'
import type { Ground, Row } from './row.ts'

const INVALID = [400, 'INVALID_ARGUMENT'] as const
const INVALID_PATH = [400, 'INVALID_PATH'] as const
const NO_VOLUME = [404, 'VOLUME_NOT_FOUND'] as const
const NO_UPLOAD = [404, 'UPLOAD_NOT_FOUND'] as const
const NOT_FOUND = [404, 'NOT_FOUND'] as const
const FAILED = [412, 'PRECONDITION_FAILED'] as const
const UNSUPPORTED = [501, 'UNSUPPORTED'] as const

const change = (body: unknown, path = 'a') => ['POST', entry(path), body] as const
const policy = (body: unknown, name = 'new-volume') => ['PUT', `${API}/volumes/${name}`, body] as const

const jsonRows: readonly Row[] = [
  jsonRow('JSON that breaks off', change('{"op":"mkdir"'), INVALID),
  jsonRow('JSON with something behind it', change('{"op":"mkdir"}}'), INVALID),
  jsonRow('no JSON at all', change('op=mkdir'), INVALID),
  jsonRow('JSON that is not UTF-8', change(Buffer.from('{"op":"move","to":"\xff"}', 'latin1')), INVALID),
  jsonRow('JSON in UTF-16', change(Buffer.from('{"op":"mkdir"}', 'utf16le')), INVALID),
  jsonRow('JSON of more than 1 MiB', change(`{"op":"mkdir","x":"${'x'.repeat(1024 * 1024)}"}`), [413, 'TOO_LARGE']),
  jsonRow('JSON that is nested 100,000 times', change('['.repeat(100_000)), INVALID),
  jsonRow('a list instead of an object', change([]), INVALID),
  jsonRow('null instead of an object', change(null), INVALID),
  jsonRow('a number instead of an object', change(7), INVALID),
  jsonRow('no operation', change({}), INVALID),
  jsonRow('an unknown operation', change({ op: 'explode' }), INVALID),
  jsonRow('an operation that is no string', change({ op: 7 }), INVALID),
  jsonRow('an unknown field', change({ op: 'mkdir', colour: 'red' }, 'x'), INVALID),
  jsonRow('a field of the object that all inherit from', change('{"op":"mkdir","__proto__":{}}', 'x'), INVALID),
  jsonRow('a field of a wrong type', change({ op: 'mkdir', parents: 'yes' }, 'x'), INVALID),
  jsonRow('a target that is no string', change({ op: 'move', to: ['x'] }), INVALID),
  jsonRow('a move without a target', change({ op: 'move' }), INVALID),
  jsonRow('a move of an unknown mode', change({ op: 'move', to: 'x', mode: 'maybe' }), INVALID),
  jsonRow('a check that is told something unknown', ['POST', `${API}/fsck`, { mend: true }], INVALID),
]

const policyRows: readonly Row[] = [
  jsonRow('chunks of 0 bytes', policy({ chunkSizeBytes: 0 }), INVALID),
  jsonRow('chunks of 1 byte', policy({ chunkSizeBytes: 1 }), INVALID),
  jsonRow('chunks of 65 MiB', policy({ chunkSizeBytes: 65 * 1024 * 1024 }), INVALID),
  jsonRow('chunks of one and a half bytes', policy({ chunkSizeBytes: 1.5 }), INVALID),
  jsonRow('chunks of a word', policy({ chunkSizeBytes: '8MiB' }), INVALID),
  jsonRow('a negative quota', policy({ quotaBytes: -1 }), INVALID),
  jsonRow('a quota beyond what numbers hold exactly', policy('{"quotaBytes":9007199254740993}'), INVALID),
  jsonRow('a quota of half a file', policy({ quotaFiles: 0.5 }), INVALID),
  jsonRow('a class that does not exist', policy({ class: 'gold' }), INVALID),
  jsonRow('a class without a name', policy({ class: '' }), INVALID),
  jsonRow('a consistency that does not exist', policy({ consistency: 'sometimes' }), INVALID),
  jsonRow('a durability that does not exist', policy({ durability: 'hopeful' }), INVALID),
  jsonRow('an unknown field of a policy', policy({ colour: 'red' }), INVALID),
  jsonRow('a wrong policy for a volume that exists', policy({ chunkSizeBytes: 1 }, 'bad'), INVALID),
  jsonRow('a change to a wrong policy', ['PATCH', volumeUrl, { chunkSizeBytes: -1 }], INVALID),
  jsonRow('a change of a volume that does not exist', ['PATCH', `${API}/volumes/none`, {}], NO_VOLUME),
  row('a volume that exists and must not', ['PUT', volumeUrl, { headers: { 'If-None-Match': '*' } }], FAILED),
  row('removing a volume that is not empty', ['DELETE', volumeUrl], [409, 'VOLUME_NOT_EMPTY']),
  row('removing a volume that does not exist', ['DELETE', `${API}/volumes/none`], NO_VOLUME),
  row('removing with a force that is none', ['DELETE', `${volumeUrl}?force=perhaps`], INVALID),
  ...[
    'ab',
    'Upper',
    'under_score',
    '-dash',
    'dash-',
    'a..b',
    '10.0.0.1',
    'x'.repeat(64),
    '..',
    '%2e%2e',
    'a%2fb',
    'a%00b',
    '%c3%a9t%c3%a9',
  ].map((name) => jsonRow(`a volume named "${name}"`, policy({}, name), INVALID)),
  jsonRow('a volume named with broken percent-encoding', policy({}, 'a%zz'), INVALID_PATH),
]

const none = `${API}/volumes/none`
const volumeRows: readonly Row[] = [
  row('a volume that does not exist', ['GET', none], NO_VOLUME),
  row('reading in a volume that does not exist', ['GET', `${none}/files/a`], NO_VOLUME),
  row('writing in a volume that does not exist', ['PUT', `${none}/files/a`, { body: 'x' }], NO_VOLUME),
  row('a large body for a volume that does not exist', ['PUT', `${none}/files/a`, { body: Buffer.alloc(1_000_000) }], NO_VOLUME),
  row('removing in a volume that does not exist', ['DELETE', `${none}/files/a`], NO_VOLUME),
  row('a listing of a volume that does not exist', ['GET', `${none}/entries/`], NO_VOLUME),
  jsonRow('a directory in a volume that does not exist', ['POST', `${none}/entries/x`, { op: 'mkdir' }], NO_VOLUME),
  jsonRow('an upload to a volume that does not exist', ['POST', `${none}/uploads`, { path: 'x' }], NO_VOLUME),
  row('changes of a volume that does not exist', ['GET', `${API}/changes?volume=none&follow=false`], NO_VOLUME),
]

const header = (name: string, value: string) => ['PUT', file('new'), { headers: { [name]: value }, body: 'x' }] as const
const attributeRows: readonly Row[] = [
  jsonRow('an attribute whose name is a surrogate', change('{"op":"attributes","xattrs":{"\\ud800":"aGk="}}'), INVALID),
  row('a mode that is not octal', header('X-Shoal-Mode', '0998'), INVALID),
  row('a mode of too many digits', header('X-Shoal-Mode', '77777'), INVALID),
  row('a mode in letters', header('X-Shoal-Mode', 'rwxr-xr-x'), INVALID),
  row('a negative owner', header('X-Shoal-Uid', '-1'), INVALID),
  row('an owner beyond 32 bits', header('X-Shoal-Uid', '4294967296'), INVALID),
  row('a group that means "none"', header('X-Shoal-Gid', '4294967295'), INVALID),
  row('a time in words', header('X-Shoal-Mtime', 'yesterday'), INVALID),
  row('a time in a 13th month', header('X-Shoal-Mtime', '2026-13-01T00:00:00Z'), INVALID),
  row('a time without a zone', header('X-Shoal-Mtime', '2026-11-20T12:00:00'), INVALID),
  row('a time beyond 64 bits', header('X-Shoal-Mtime', '9223372036854775808'), INVALID),
  row('a time in the year 3000', header('X-Shoal-Mtime', '3000-01-01T00:00:00Z'), INVALID),
  jsonRow('a mode as a number', change({ op: 'attributes', mode: 420 }), INVALID),
  jsonRow('an owner as a word', change({ op: 'attributes', uid: 'root' }), INVALID),
  jsonRow('a time that is none', change({ op: 'attributes', mtime: 'now' }), INVALID),
  jsonRow('an attribute that is no base64', change({ op: 'attributes', xattrs: { 'user.a': '!!' } }), INVALID),
  jsonRow('an attribute without a name', change({ op: 'attributes', xattrs: { '': 'aGk=' } }), INVALID),
  jsonRow('an attribute with a name of 256 bytes', change({ op: 'attributes', xattrs: { ['n'.repeat(256)]: 'aGk=' } }), [
    400,
    'NAME_TOO_LONG',
  ]),
  jsonRow(
    'an attribute of more than 64 KiB',
    change({ op: 'attributes', xattrs: { 'user.a': Buffer.alloc(65_537).toString('base64') } }),
    [413, 'TOO_LARGE'],
  ),
  jsonRow(
    'a wrong mode beside a right attribute',
    change({ op: 'attributes', mode: '9', xattrs: { 'user.a': 'aGk=' } }),
    INVALID,
  ),
  jsonRow(
    'a wrong time beside a right attribute',
    change({ op: 'attributes', mtime: 'now', xattrs: { 'user.a': 'aGk=' } }),
    INVALID,
  ),
  jsonRow(
    'a wrong attribute beside a right one',
    change({ op: 'attributes', xattrs: { 'user.a': 'aGk=', '': 'aGk=' } }),
    INVALID,
  ),
  jsonRow('new attributes of nothing', change({ op: 'attributes', mode: '0600' }, 'none'), NOT_FOUND),
  jsonRow('a negative size', change({ op: 'truncate', size: -1 }), INVALID),
  jsonRow('a size that is no number', change({ op: 'truncate', size: '5' }), INVALID),
  jsonRow('a size beyond what numbers hold exactly', change('{"op":"truncate","size":9007199254740993}'), INVALID),
  jsonRow('the size of a directory', change({ op: 'truncate', size: 0 }, 'dir'), [409, 'IS_A_DIRECTORY']),
  jsonRow('a node of an unknown type', change({ op: 'mknod', type: 'pipe' }, 'x'), INVALID),
  jsonRow('a node with a negative device', change({ op: 'mknod', type: 'block-device', rdev: -1 }, 'x'), INVALID),
  jsonRow('a copy of a range of nothing', change({ op: 'copy-range', from: 'none', length: 1 }), NOT_FOUND),
  jsonRow('a copy of a negative range', change({ op: 'copy-range', from: 'large', length: -1 }), INVALID),
  jsonRow('a copy of a range of a directory', change({ op: 'copy-range', from: 'dir', length: 1 }), [409, 'IS_A_DIRECTORY']),
]

const patch = (query: string, path = 'a') => ['PATCH', `${file(path)}${query}`, { body: 'x' }] as const
const offsetRows: readonly Row[] = [
  row('bytes without an offset', patch(''), INVALID),
  row('a negative offset', patch('?offset=-1'), INVALID),
  row('an offset that is no number', patch('?offset=end'), INVALID),
  row('an offset with a fraction', patch('?offset=1.5'), INVALID),
  row('an offset beyond what numbers hold exactly', patch('?offset=9007199254740993'), INVALID),
  row('an unknown parameter beside an offset', patch('?offset=0&append'), INVALID),
  row('bytes at an offset of nothing', patch('?offset=0', 'none'), NOT_FOUND),
  row(
    'bytes at an offset, if the tag is another',
    ['PATCH', `${file('a')}?offset=0`, { headers: { 'If-Match': '"1-1"' }, body: 'x' }],
    FAILED,
  ),
]

const condition = (method: string, path: string, headers: Record<string, string>) =>
  [method, file(path), { headers, ...(method === 'PUT' ? { body: 'x' } : {}) }] as const
const conditionRows: readonly Row[] = [
  row('an If-Match without quotes', condition('PUT', 'a', { 'If-Match': 'abc' }), INVALID),
  row('an If-None-Match without quotes', condition('PUT', 'a', { 'If-None-Match': '"a", b' }), INVALID),
  row('a quote that is not closed', condition('PUT', 'a', { 'If-Match': '"abc' }), INVALID),
  row('an empty If-Match', condition('PUT', 'a', { 'If-Match': '' }), INVALID),
  row('an If-Match that no longer holds', condition('PUT', 'a', { 'If-Match': '"1-1"' }), FAILED),
  row('an If-Match on nothing', condition('PUT', 'none', { 'If-Match': '*' }), FAILED),
  row('an If-None-Match on something', condition('PUT', 'a', { 'If-None-Match': '*' }), FAILED),
  row(
    'an If-Unmodified-Since long ago',
    condition('PUT', 'a', { 'If-Unmodified-Since': 'Thu, 01 Jan 1970 00:00:00 GMT' }),
    FAILED,
  ),
  row('removing what an If-Match does not name', condition('DELETE', 'a', { 'If-Match': '"1-1"' }), FAILED),
  row('reading what an If-Match does not name', condition('GET', 'a', { 'If-Match': '"1-1"' }), FAILED),
]

const list = (query: string) => ['GET', `${entry('')}?${query}`] as const
const pageRows: readonly Row[] = [
  row('a limit of 0', list('limit=0'), INVALID),
  row('a negative limit', list('limit=-1'), INVALID),
  row('a limit above the highest', list('limit=10001'), INVALID),
  row('a limit that is no number', list('limit=many'), INVALID),
  row('a limit with a fraction', list('limit=1.5'), INVALID),
  row('an empty limit', list('limit='), INVALID),
  row('an empty cursor', list('cursor='), INVALID),
  row('a cursor that is none', list('cursor=%2b%2b%2bnonsense'), INVALID),
  row('a cursor of a recursive listing that is none', list('recursive&cursor=zzzz'), INVALID),
  row('an unknown parameter', list('sort=size'), INVALID),
  row('a recursive that is neither yes nor no', list('recursive=maybe'), INVALID),
  row('a limit of uploads that is none', ['GET', `${volumeUrl}/uploads?limit=x`], INVALID),
  row('a cursor of uploads that is none', ['GET', `${volumeUrl}/uploads?cursor=nonsense`], INVALID),
  row('a cursor of changes that is none', ['GET', `${API}/changes?follow=false&cursor=nonsense`], INVALID),
  row('a negative cursor of changes', ['GET', `${API}/changes?follow=false&cursor=-1`], INVALID),
  row(
    'a cursor of changes that are still to come',
    ['GET', `${API}/changes?follow=false&cursor=999999999999`],
    [410, 'CURSOR_TOO_OLD'],
  ),
]

function uploadRows({ uploadId }: Ground): Row[] {
  const upload = `${volumeUrl}/uploads/${uploadId}`
  const part = (number: string, headers: Record<string, string> = {}) =>
    ['PUT', `${upload}/parts/${number}`, { headers, body: 'x' }] as const
  const other = `${volumeUrl}/uploads/${'0'.repeat(uploadId.length)}`
  return [
    ...['0', '10001', '-1', 'one', '1e3', '1.0', '%31%00', '99999999999999999999'].map((number) =>
      row(`part ${number}`, part(number), INVALID),
    ),
    row('a part without a number', ['PUT', `${upload}/parts/`, { body: 'x' }], NOT_FOUND),
    row('a part with a wrong digest', part('2', { 'X-Content-SHA256': '00'.repeat(32) }), [400, 'DIGEST_MISMATCH']),
    row('a part with a lying length', part('2', { 'Content-Length': 'x' }), INVALID),
    row('a part of a coded body', part('2', { 'Content-Encoding': 'br' }), UNSUPPORTED),
    row('a part of an unknown upload', ['PUT', `${other}/parts/1`, { body: 'x' }], NO_UPLOAD),
    row('an unknown upload', ['GET', other], NO_UPLOAD),
    row('an upload that cannot be one', ['GET', `${volumeUrl}/uploads/%2e%2e`], NO_UPLOAD),
    row('an upload of another volume', ['GET', `${API}/volumes/tight/uploads/${uploadId}`], NO_UPLOAD),
    row('giving up an unknown upload', ['DELETE', other], NO_UPLOAD),
    jsonRow('finishing an unknown upload', ['POST', `${other}/commit`, {}], NO_UPLOAD),
    jsonRow(
      'finishing an upload with a digest that is not its own',
      ['POST', `${upload}/commit`, { sha256: '00'.repeat(32) }],
      [400, 'DIGEST_MISMATCH'],
    ),
    jsonRow(
      'finishing an upload with a size that is not its own',
      ['POST', `${upload}/commit`, { size: 7 }],
      [409, 'UPLOAD_INCOMPLETE'],
    ),
    jsonRow('finishing an upload with a digest that is none', ['POST', `${upload}/commit`, { sha256: 'abc' }], INVALID),
    jsonRow('finishing an upload with something unknown', ['POST', `${upload}/commit`, { parts: [1, 3] }], INVALID),
    jsonRow('an upload without a path', ['POST', `${volumeUrl}/uploads`, {}], INVALID),
    jsonRow('an upload to the root', ['POST', `${volumeUrl}/uploads`, { path: '/' }], [409, 'IS_A_DIRECTORY']),
    jsonRow('an upload to a directory', ['POST', `${volumeUrl}/uploads`, { path: 'dir' }], [409, 'IS_A_DIRECTORY']),
    jsonRow('an upload to ".."', ['POST', `${volumeUrl}/uploads`, { path: '../x' }], INVALID_PATH),
    jsonRow('an upload below a file', ['POST', `${volumeUrl}/uploads`, { path: 'a/x' }], [409, 'NOT_A_DIRECTORY']),
    jsonRow('an upload with a mode that is none', ['POST', `${volumeUrl}/uploads`, { path: 'x', mode: '99' }], INVALID),
    jsonRow('an upload with a condition that is none', ['POST', `${volumeUrl}/uploads`, { path: 'x', ifMatch: 'abc' }], INVALID),
    jsonRow(
      'an upload with a condition that does not hold',
      ['POST', `${volumeUrl}/uploads`, { path: 'a', ifNoneMatch: '*' }],
      FAILED,
    ),
  ]
}

/** What requests say: JSON, parameters, attributes, conditions, uploads. */
export function valueRows(ground: Ground): readonly Row[] {
  return [
    ...jsonRows,
    ...policyRows,
    ...volumeRows,
    ...attributeRows,
    ...offsetRows,
    ...conditionRows,
    ...pageRows,
    ...uploadRows(ground),
  ]
}
