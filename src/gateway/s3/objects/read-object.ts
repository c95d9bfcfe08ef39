// GET and HEAD of an object: which bytes, under which conditions, with which headers.

import { type ByteRange, formatContentRange, judgeRange } from '#gateway/http/ranges.ts'
import { ifRangeHolds } from '#gateway/http/conditional.ts'
import type { ObjectInfo } from '#volume/objects.ts'
import type { S3Call } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import type { S3Query } from '../s3-query.ts'
import { checkRead } from './conditions.ts'
import { describeChecksum, describeObject } from './object-headers.ts'

const OVERRIDES = [
  'response-cache-control',
  'response-content-disposition',
  'response-content-encoding',
  'response-content-language',
  'response-content-type',
  'response-expires',
]

export interface Reading {
  readonly status: 200 | 206
  readonly headers: string[]
  readonly range: ByteRange
}

/** @throws NotModified, PreconditionFailed, InvalidRange, InvalidPartNumber, InvalidRequest */
export function planReading(call: S3Call, object: ObjectInfo, isVersioned: boolean): Reading {
  const { exchange, query, services } = call
  const nowMs = services.clock.nowMs()
  checkRead(exchange.headers, object, nowMs)
  const isOverridden = query.derive(overrides)
  const override = isOverridden ? (name: string): string | undefined => query.get(name) : undefined
  if (call.principal.kind === 'anonymous' && isOverridden)
    throw new S3Error('InvalidRequest', 'Request specific response headers cannot be used for anonymous GET requests.')
  const headers = describeObject(object, { isVersioned, override })
  const part = query.integer('partNumber', { min: 1, max: 10_000 })
  const range = part === undefined ? rangeOf(call, object, nowMs) : partOf(call, object, part)
  const isWhole = range === undefined
  if (part !== undefined && object.parts > 0) headers.push('x-amz-mp-parts-count', String(object.parts))
  const wantsChecksum = call.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED'
  if (wantsChecksum && (isWhole || part !== undefined)) headers.push(...describeChecksum(object, part))
  if (range === undefined) return { status: 200, headers, range: { offset: 0, length: object.sizeBytes } }
  if (object.sizeBytes === 0) return { status: 200, headers, range }
  headers.push('Content-Range', formatContentRange(range, object.sizeBytes))
  return { status: 206, headers, range }
}

const overrides = (query: S3Query): boolean => OVERRIDES.some((name) => query.has(name))

/** `undefined`: all of it. S3 knows one range only; of several, it sends the whole. */
function rangeOf(call: S3Call, object: ObjectInfo, nowMs: number): ByteRange | undefined {
  const header = call.header('range')
  if (header === undefined) return undefined
  const ifRange = call.header('if-range')
  const target = { etag: `"${object.etag}"`, lastModifiedMs: Number(object.modifiedNs / 1_000_000n) }
  if (ifRange !== undefined && !ifRangeHolds(ifRange, target, nowMs)) return undefined
  const verdict = judgeRange(header, object.sizeBytes)
  if (verdict.kind === 'unsatisfiable') {
    throw new S3Error('InvalidRange', 'The requested range is not satisfiable', {
      elements: { RangeRequested: header.slice(0, 80), ActualObjectSize: object.sizeBytes },
      headers: ['Content-Range', `bytes */${object.sizeBytes}`],
    })
  }
  return verdict.kind === 'ranges' && verdict.ranges.length === 1 ? verdict.ranges[0] : undefined
}

function partOf(call: S3Call, object: ObjectInfo, number: number): ByteRange {
  if (call.header('range') !== undefined)
    throw new S3Error('InvalidRequest', 'Cannot specify both Range header and partNumber query parameter')
  const { sizeBytes, properties } = object
  const runs = properties.partSizes ?? [[1, sizeBytes]]
  let offset = 0
  let first = 1
  for (const [count, partBytes] of runs) {
    if (number < first + count) return { offset: offset + (number - first) * partBytes, length: partBytes }
    offset += count * partBytes
    first += count
  }
  throw new S3Error('InvalidPartNumber', 'The requested partnumber is not satisfiable', {
    elements: { ActualPartCount: first - 1, PartNumberRequested: number },
  })
}
