import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RouteTree } from './route-tree.ts'

const tree = new RouteTree<string>()
for (const [method, pattern] of [
  ['GET', '/'],
  ['GET', '/v'],
  ['PUT', '/v/{name}'],
  ['GET', '/v/{name}/files/{path*}'],
  ['DELETE', '/v/{name}/files/{path*}'],
  ['GET', '/v/{name}/uploads/{id}/parts/{n}'],
] as const) {
  tree.add(method, pattern, `${method} ${pattern}`)
}

test('routes are found with the raw values of their placeholders', () => {
  const find = (method: string, path: string) => tree.find(method, path)
  assert.deepEqual(find('GET', '/v'), { value: 'GET /v', parameters: [] })
  assert.deepEqual(find('PUT', '/v/a%2Fb'), { value: 'PUT /v/{name}', parameters: ['a%2Fb'] })
  assert.deepEqual(find('GET', '/v/a/files/x/y//z'), { value: 'GET /v/{name}/files/{path*}', parameters: ['a', 'x/y//z'] })
  assert.deepEqual(find('GET', '/v/a/files/'), { value: 'GET /v/{name}/files/{path*}', parameters: ['a', ''] })
  assert.deepEqual(find('GET', '/v/a/files'), { value: 'GET /v/{name}/files/{path*}', parameters: ['a', ''] })
  assert.deepEqual(find('HEAD', '/v/a/files/x'), { value: 'GET /v/{name}/files/{path*}', parameters: ['a', 'x'] })
  assert.deepEqual(find('GET', '/v/a/uploads/i/parts/7'), {
    value: 'GET /v/{name}/uploads/{id}/parts/{n}',
    parameters: ['a', 'i', '7'],
  })
  assert.deepEqual(find('GET', '/'), { value: 'GET /', parameters: [] })
})

test('unknown paths are nowhere, and known ones say what they allow', () => {
  for (const path of ['/w', '/v/', '/v/a/b', '/v//files/x', '/v/a/uploads/i', '//'])
    assert.equal(tree.find('GET', path), undefined, path)
  assert.deepEqual(tree.find('PUT', '/v/a/files/x'), { allowed: ['DELETE', 'GET', 'HEAD', 'OPTIONS'] })
})
