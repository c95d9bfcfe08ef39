import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { S3Error } from '../s3-error.ts'
import { FormFile } from './form-file.ts'
import { formBoundary, FormReader } from './form-reader.ts'

const BOUNDARY = 'XyZ'

async function* cut(bytes: Buffer, cuts: readonly number[] = [bytes.length]): AsyncGenerator<Buffer> {
  for (let at = 0, index = 0; at < bytes.length; index += 1) {
    const end = at + Math.max(1, cuts[index % cuts.length] as number)
    yield bytes.subarray(at, end)
    at = end
  }
}

function part(name: string, value: string | Buffer, more = ''): Buffer {
  return Buffer.concat([
    Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${more}\r\n\r\n`),
    Buffer.from(value as string),
    Buffer.from('\r\n'),
  ])
}

const END = Buffer.from(`--${BOUNDARY}--\r\n`)

async function read(bytes: Buffer, cuts?: readonly number[]) {
  const reader = new FormReader(cut(bytes, cuts), BOUNDARY)
  const { fields, fileName } = await reader.readFields()
  const pieces: Buffer[] = []
  for await (const piece of reader.readFile()) pieces.push(Buffer.from(piece))
  return {
    fields: Object.fromEntries([...fields].map(([name, value]) => [name, value.toString()])),
    fileName,
    file: Buffer.concat(pieces),
  }
}

const refused =
  (code: string, text = /./) =>
  (error: unknown) =>
    error instanceof S3Error && error.s3Code === code && text.test(error.message)

test('fields and file come out as they were put in, however the form is cut', async () => {
  const file = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes))
  const tricky = fc
    .array(fc.constantFrom('\r', '\n', '-', '\r\n--', '\r\n--Xy', 'X', 'XyZ', 'a'), { maxLength: 12 })
    .map((all) => Buffer.from(all.join('')))
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(file, tricky),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 4 }),
      async (content, cuts) => {
        fc.pre(!Buffer.concat([Buffer.from('\r\n'), content]).includes(`\r\n--${BOUNDARY}`))
        const form = Buffer.concat([
          part('Key', 'a b'),
          part('x', ''),
          part('file', content, '; filename="f.txt"'),
          part('after', 'ignored'),
          END,
        ])
        assert.deepEqual(await read(form, cuts), { fields: { key: 'a b', x: '' }, fileName: 'f.txt', file: content })
      },
    ),
  )
})

test('names of files lose their folders, and may have quotes', async () => {
  for (const [given, name] of [
    ['; filename="C:\\\\dir\\\\a.txt"', 'a.txt'],
    ['; filename="/home/a/b c.txt"', 'b c.txt'],
    ['; filename="a%22b.txt"', 'a"b.txt'],
    ['; filename="é.txt"\r\nContent-Type: text/plain', 'é.txt'],
    ['', ''],
  ] as const)
    assert.equal((await read(Buffer.concat([part('file', 'x', given), END]))).fileName, name, given)
})

test('a form that ends before its boundary, or has no file, is refused', async () => {
  const whole = Buffer.concat([part('key', 'a'), part('file', 'content'), END])
  for (const length of [0, 3, 30, whole.length - 20, whole.length - 9])
    await assert.rejects(read(whole.subarray(0, length)), refused('IncompleteBody'), String(length))
  await assert.rejects(read(Buffer.concat([part('key', 'a'), END])), refused('IncorrectNumberOfFilesInPostRequest'))
  await assert.rejects(
    read(Buffer.concat([part('key', 'a'), part('KEY', 'b'), part('file', 'x'), END])),
    refused('InvalidArgument', /more than once/),
  )
  await assert.rejects(read(Buffer.from(`--${BOUNDARY}\r\n\r\nx\r\n`)), refused('MalformedPOSTRequest', /Content-Disposition/))
  await assert.rejects(
    read(Buffer.concat([Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data\r\n\r\n`), END])),
    refused('MalformedPOSTRequest'),
  )
})

test('what stands before the file has a limit, the file has not', async () => {
  await assert.rejects(
    read(Buffer.concat([part('key', 'a'.repeat(21_000)), part('file', 'x'), END])),
    refused('MaxPostPreDataLengthExceeded'),
  )
  await assert.rejects(read(Buffer.from('x'.repeat(50_000)), [1000]), refused('MaxPostPreDataLengthExceeded'))
  const many = Array.from({ length: 101 }, (_, index) => part(`f${index}`, ''))
  await assert.rejects(read(Buffer.concat([...many, part('file', 'x'), END])), refused('MalformedPOSTRequest', /more than 100/))
  assert.equal((await read(Buffer.concat([part('file', 'x'.repeat(100_000)), END]), [1000])).file.length, 100_000)
})

test('the boundary comes from the header', () => {
  assert.equal(formBoundary('multipart/form-data; boundary=abc'), 'abc')
  assert.equal(formBoundary('Multipart/Form-Data; charset=utf-8; boundary="a b"'), 'a b')
  for (const other of [undefined, 'text/plain', 'application/x-www-form-urlencoded', 'multipart/mixed; boundary=a'])
    assert.equal(formBoundary(other), undefined)
  for (const bad of ['multipart/form-data', 'multipart/form-data; boundary=', `multipart/form-data; boundary=${'a'.repeat(71)}`])
    assert.throws(() => formBoundary(bad), refused('MalformedPOSTRequest'), bad)
})

test('a file outside of the bounds of its length is refused', async () => {
  const file = (range: { min: number; max: number }) => new FormFile(cut(Buffer.from('four')), range).collect()
  assert.equal((await file({ min: 4, max: 4 })).toString(), 'four')
  await assert.rejects(file({ min: 5, max: 10 }), refused('EntityTooSmall'))
  await assert.rejects(file({ min: 0, max: 3 }), refused('EntityTooLarge'))
})
