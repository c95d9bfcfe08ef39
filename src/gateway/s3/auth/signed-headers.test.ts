import assert from 'node:assert/strict'
import { createHmac, hash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { test } from 'node:test'
import fc from 'fast-check'
import { ROOT } from '#access/principal.ts'
import { S3Error } from '../s3-error.ts'
import { S3Query } from '../s3-query.ts'
import { authenticate } from './authenticate.ts'
import { SignedHeaders } from './signed-headers.ts'
import { deriveSigningKey, SigningKeys } from './signing-keys.ts'

const NAMES = ['host', 'x-amz-date', 'x-amz-acl', 'range', 'a'] as const
type Header = readonly [name: string, value: string]

const name = fc.tuple(fc.constantFrom(...NAMES), fc.boolean()).map(([text, isUpper]) => (isUpper ? text.toUpperCase() : text))
const header = fc.tuple(name, fc.constantFrom('1', ' 2  3 ', '', 'x   y', '\xe9,4'))
const headers = fc.array(header, { maxLength: 6 })

/** As the reference has it, for one request alone. */
function plainLines(sent: readonly Header[], signed: readonly string[]): string {
  return signed.map((each) => `${each}:${valuesOf(sent, each).map(plainValue).join(',')}\n`).join('')
}

function valuesOf(sent: readonly Header[], wanted: string): string[] {
  return sent.flatMap(([each, value]) => (each.toLowerCase() === wanted ? [value] : []))
}

function plainValue(value: string): string {
  return value.split(' ').filter(Boolean).join(' ')
}

function plainMissing(sent: readonly Header[], signed: readonly string[]): string[] {
  if (!signed.includes('host')) return ['host']
  return sent.map(([each]) => each.toLowerCase()).filter((each) => each.startsWith('x-amz-') && !signed.includes(each))
}

test('whatever requests came before, the lines of one are its own, and what it has not signed is found', () => {
  const requests = fc.array(fc.oneof(headers, fc.constantFrom('again', 'other values')), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(fc.subarray([...NAMES]), requests, (signed, list) => {
      const read = new SignedHeaders(signed)
      let sent: readonly Header[] = []
      for (const each of list) {
        if (each === 'other values') sent = sent.map(([text, value]) => [text, `${value}0`])
        else if (each !== 'again') sent = each
        const raw = sent.flat()
        assert.equal(read.lines(raw), plainLines(sent, signed))
        assert.deepEqual(read.missing(raw), plainMissing(sent, signed))
      }
    }),
  )
})

test('of a request with very many headers nothing is kept, and it is judged like any other', () => {
  const many: Header[] = Array.from({ length: 500 }, (_, at) => [`x-${at}`, '1'])
  const read = new SignedHeaders(['host', 'x-499'])
  for (const sent of [many, [...many, ['X-Amz-Acl', '1'] as const], many]) {
    assert.equal(read.lines(sent.flat()), plainLines(sent, read.names))
    assert.deepEqual(read.missing(sent.flat()), plainMissing(sent, read.names))
  }
})

const KEY = { accessKey: 'KEY', secretKey: 'secret', principal: ROOT }
const TIME = '20261127T170000Z'
const NOW_MS = Date.UTC(2026, 10, 27, 17)
const SCOPE = { date: '20261127', region: 'r', service: 's3' }
const PAYLOADS = ['UNSIGNED-PAYLOAD', hash('sha256', '')] as const

interface Signed {
  readonly method: string
  readonly path: string
  readonly sent: readonly Header[]
}

/** The signature that a request has whose headers say what it covers: computed from it alone. */
function plainSignature({ method, path, sent }: Signed, signed: readonly string[]): string {
  const payload = valuesOf(sent, 'x-amz-content-sha256').join(', ')
  const text = `${method}\n${path}\n\n${plainLines(sent, signed)}\n${signed.join(';')}\n${payload}`
  const scope = `${SCOPE.date}/${SCOPE.region}/s3/aws4_request`
  const toSign = `AWS4-HMAC-SHA256\n${TIME}\n${scope}\n${hash('sha256', Buffer.from(text, 'latin1'))}`
  return createHmac('sha256', deriveSigningKey(KEY.secretKey, SCOPE)).update(toSign).digest('hex')
}

const authorizationOf = (signed: readonly string[], signature: string): string =>
  `AWS4-HMAC-SHA256 Credential=KEY/20261127/r/s3/aws4_request, SignedHeaders=${signed.join(';')}, Signature=${signature}`

function joined(sent: readonly Header[]): IncomingHttpHeaders {
  const all: Record<string, string> = {}
  for (const [each] of sent) all[each.toLowerCase()] = valuesOf(sent, each.toLowerCase()).join(', ')
  return all
}

const keys = new SigningKeys()

function verdict({ method, path, sent }: Signed, authorization: string): string {
  const all = [...sent, ['Authorization', authorization] as const]
  const request = { method, path, query: '', headers: joined(all), rawHeaders: all.flat(), parameters: S3Query.NONE }
  try {
    return authenticate(request, { find: (accessKey) => (accessKey === 'KEY' ? KEY : undefined), keys, nowMs: NOW_MS }).principal
      .kind
  } catch (error) {
    assert.ok(error instanceof S3Error, String(error))
    return error.s3Code
  }
}

test('a request changed after it was signed gets the verdict of its own signature, one after the other', () => {
  const base = fc.record({
    method: fc.constantFrom('GET', 'HEAD', 'PUT'),
    path: fc.constantFrom('/b/k', '/b/k%28', '/b/a%20b', '/b/%C3%A9', '/b//k'),
    payload: fc.constantFrom(...PAYLOADS),
    extra: headers.map((list) => list.filter(([each]) => !/^(?:host|x-amz-date)$/i.test(each))),
  })
  const change = fc.oneof(
    fc.record({ method: fc.constantFrom('GET', 'HEAD', 'PUT', 'DELETE') }),
    fc.record({ path: fc.constantFrom('/b/k', '/b/K', '/b/k%28', '/b/k%29', '/b/a%20c', '/c/k') }),
    fc.record({ add: header }),
    fc.record({ remove: fc.nat(7) }),
    fc.record({ at: fc.nat(7), value: fc.constantFrom('1', 'h', '127.0.0.1', ...PAYLOADS) }),
    fc.record({ swap: fc.nat(7) }),
    fc.constant({}),
  )
  let accepted = 0
  let refused = 0
  fc.assert(
    fc.property(base, fc.array(change, { maxLength: 4 }), ({ method, path, payload, extra }, changes) => {
      let request: Signed = {
        method,
        path,
        sent: [['Host', 'h'], ...extra, ['X-Amz-Content-Sha256', payload], ['X-Amz-Date', TIME]],
      }
      const signed = [...new Set(request.sent.map(([each]) => each.toLowerCase()))].toSorted()
      const signature = plainSignature(request, signed)
      for (const one of [{}, ...changes, {}]) {
        request = changed(request, one)
        const got = verdict(request, authorizationOf(signed, signature))
        if (isPlainlyRefused(request)) assert.notEqual(got, 'root')
        else if (plainMissing(request.sent, signed).length > 0) assert.equal(got, 'AccessDenied')
        else assert.equal(got, plainSignature(request, signed) === signature ? 'root' : 'SignatureDoesNotMatch')
        if (got === 'root') accepted += 1
        else refused += 1
      }
    }),
    { numRuns: 500 },
  )
  assert.ok(accepted > 200 && refused > 200, `${accepted} accepted, ${refused} refused`)
})

/** For something else than its signature. */
function isPlainlyRefused({ sent }: Signed): boolean {
  const payload = valuesOf(sent, 'x-amz-content-sha256').join(', ')
  const times = valuesOf(sent, 'x-amz-date')
  return !(PAYLOADS as readonly string[]).includes(payload) || times.length !== 1 || times[0] !== TIME
}

function changed(request: Signed, change: object): Signed {
  const one = change as {
    method?: string
    path?: string
    add?: Header
    remove?: number
    at?: number
    value?: string
    swap?: number
  }
  const { sent } = request
  const { method = request.method, path = request.path } = one
  if (one.add !== undefined) return { method, path, sent: [...sent, one.add] }
  if (one.remove !== undefined) return { method, path, sent: sent.filter((_, at) => at !== one.remove) }
  if (one.value !== undefined)
    return { method, path, sent: sent.map(([each, value], at) => [each, at === one.at ? (one.value as string) : value]) }
  if (one.swap !== undefined) {
    const [first, ...others] = sent.slice(one.swap)
    return { method, path, sent: [...sent.slice(0, one.swap), ...others, ...(first === undefined ? [] : [first])] }
  }
  return { method, path, sent }
}
