import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OperationTable } from './find-operation.ts'
import type { S3Operation } from './operation.ts'
import { S3Error } from './s3-error.ts'
import { S3Query } from './s3-query.ts'

const operation = (name: string, method: S3Operation['method'], selection: Partial<S3Operation> = {}): S3Operation => ({
  name,
  method,
  where: 'object',
  ...selection,
  handle() {},
})

const TABLE = new OperationTable([
  operation('PutObject', 'PUT'),
  operation('CopyObject', 'PUT', { header: 'x-amz-copy-source' }),
  operation('UploadPart', 'PUT', { markers: ['partNumber', 'uploadId'] }),
  operation('UploadPartCopy', 'PUT', { markers: ['partNumber', 'uploadId'], header: 'x-amz-copy-source' }),
  operation('ListObjects', 'GET', { where: 'bucket' }),
  operation('ListObjectsV2', 'GET', { where: 'bucket', markers: ['list-type=2'] }),
])

function find(method: string, where: S3Operation['where'], query: string, headers = {}): string {
  return TABLE.find({ method, where, query: S3Query.parse(query), headers }).name
}

test('a request belongs to the operation whose markers it has', () => {
  assert.equal(find('PUT', 'object', ''), 'PutObject')
  assert.equal(find('PUT', 'object', 'partNumber=1'), 'PutObject')
  assert.equal(find('PUT', 'object', 'x-id=PutObject&versionId=3'), 'PutObject')
  assert.equal(find('PUT', 'object', '', { 'x-amz-copy-source': '/b/k' }), 'CopyObject')
  assert.equal(find('PUT', 'object', 'uploadId=a&partNumber=1'), 'UploadPart')
  assert.equal(find('PUT', 'object', 'uploadId=a&partNumber=1', { 'x-amz-copy-source': '/b/k' }), 'UploadPartCopy')
  assert.equal(find('GET', 'bucket', 'list-type=2&prefix=a'), 'ListObjectsV2')
  assert.equal(find('GET', 'bucket', 'list-type=1'), 'ListObjects')
})

test('a subresource that nobody handles is never passed over', () => {
  const refused = (code: string) => (error: unknown) => error instanceof S3Error && error.s3Code === code
  assert.throws(() => find('PUT', 'object', 'acl'), refused('NotImplemented'))
  assert.throws(() => find('PUT', 'object', 'uploadId=a'), refused('NotImplemented'))
  assert.throws(() => find('GET', 'bucket', 'list-type=2&website'), refused('NotImplemented'))
  assert.throws(() => find('POST', 'service', ''), refused('NotImplemented'))
  assert.throws(() => find('DELETE', 'object', ''), refused('MethodNotAllowed'))
})

test('a query is read as S3 does, and a parameter given twice is refused', () => {
  const query = S3Query.parse('prefix=a+b%2Bc&delimiter=%2F&acl&max-keys=7&&')
  assert.deepEqual([...query.names()], ['prefix', 'delimiter', 'acl', 'max-keys'])
  assert.deepEqual(
    [query.get('prefix'), query.get('delimiter'), query.get('acl'), query.get('none')],
    ['a b+c', '/', '', undefined],
  )
  assert.equal(query.integer('max-keys', { min: 0, max: 10 }), 7)
  assert.equal(query.integer('none', { min: 0, max: 10 }), undefined)
  assert.throws(() => query.integer('max-keys', { min: 0, max: 6 }), /max-keys is "7": a whole number from 0 to 6/)
  assert.throws(() => query.integer('prefix', { min: 0, max: 6 }), S3Error)
  assert.throws(() => S3Query.parse('a=1&a=1'), /given more than once/)
})
