import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { formatRemote, parseLocation, parseRemote } from './location.ts'

const remote = (volume: string, path: string, rest: { directory?: boolean; contents?: boolean } = {}) => ({
  kind: 'remote',
  volume,
  path,
  directory: false,
  contents: false,
  ...rest,
})
const local = (path: string, rest: { directory?: boolean; contents?: boolean } = {}) => ({
  kind: 'local',
  path,
  directory: false,
  contents: false,
  ...rest,
})

const LOCATIONS: readonly [string, object][] = [
  ['docs:/a/b', remote('docs', 'a/b')],
  ['docs:/a//b/', remote('docs', 'a/b', { directory: true })],
  ['docs:/', remote('docs', '', { directory: true, contents: true })],
  ['docs:', remote('docs', '', { directory: true, contents: true })],
  ['docs:/a/.', remote('docs', 'a', { directory: true, contents: true })],
  ['my-vol.2:/x', remote('my-vol.2', 'x')],
  ['docs:/a\nb', remote('docs', 'a\nb')],
  ['-', { kind: 'stdio' }],
  ['a', local('a')],
  ['a/', local('a/', { directory: true })],
  ['a/.', local('a/.', { directory: true, contents: true })],
  ['.', local('.', { directory: true, contents: true })],
  ['..', local('..', { directory: true, contents: true })],
  ['/', local('/', { directory: true, contents: true })],
  ['a.', local('a.')],
  ['.hidden', local('.hidden')],
  ['./docs:/a', local('./docs:/a')],
  ['docs:a', local('docs:a')],
  ['Docs:/a', local('Docs:/a')],
  ['a:/x', local('a:/x')],
]

for (const [text, expected] of LOCATIONS) {
  test(`${JSON.stringify(text)} is read as what it is`, () => assert.deepEqual(parseLocation(text), expected))
}

test('what could climb out of a volume is refused', () => {
  for (const text of ['docs:/../x', 'docs:/a/../b', 'docs:/./x', 'docs:/a\0b']) {
    assert.throws(
      () => parseLocation(text),
      (error) => isShoalError(error, 'INVALID_PATH'),
      text,
    )
  }
  assert.throws(
    () => parseLocation(''),
    (error) => isShoalError(error, 'INVALID_ARGUMENT'),
  )
})

test('a local path where a remote one is needed is explained', () => {
  assert.throws(() => parseRemote('a/b'), /docs:\/path/)
  assert.throws(() => parseRemote('ev:/a'), /"ev" can't name a volume: 3 to 63/)
  assert.equal(formatRemote(parseRemote('docs:/a/b')), 'docs:/a/b')
})
