import type { IncomingHttpHeaders } from 'node:http'
import type { S3Operation } from './operation.ts'
import { S3Error } from './s3-error.ts'
import { S3Query } from './s3-query.ts'

/** Query parameters that make another operation of a request. One that the operation found doesn't name must not be
 *  passed over: `PUT /bucket/key?acl` would overwrite the object with an access control list. */
const SUBRESOURCES: ReadonlySet<string> = new Set([
  'abac',
  'accelerate',
  'acl',
  'analytics',
  'attributes',
  'cors',
  'delete',
  'encryption',
  'intelligent-tiering',
  'inventory',
  'legal-hold',
  'lifecycle',
  'location',
  'logging',
  'metadataConfiguration',
  'metadataTable',
  'metrics',
  'notification',
  'object-lock',
  'ownershipControls',
  'policy',
  'policyStatus',
  'publicAccessBlock',
  'renameObject',
  'replication',
  'requestPayment',
  'restore',
  'retention',
  'select',
  'session',
  'tagging',
  'torrent',
  'uploadId',
  'uploads',
  'versioning',
  'versions',
  'website',
])

export type OperationPlace = S3Operation['where']

interface Wanted {
  readonly method: string
  readonly where: OperationPlace
  readonly query: S3Query
  readonly headers: IncomingHttpHeaders
}

interface Candidate {
  readonly operation: S3Operation
  readonly markers: readonly { readonly name: string; readonly value: string | undefined }[]
  readonly names: readonly string[]
}

/** The operations by what selects them. */
export class OperationTable {
  /** By method and place; those with the most markers first. */
  readonly #operations = new Map<string, Candidate[]>()

  constructor(operations: readonly S3Operation[]) {
    for (const operation of operations) {
      const key = `${operation.method} ${operation.where}`
      const others = this.#operations.get(key) ?? []
      others.push(candidateOf(operation))
      others.sort((a, b) => weightOf(b) - weightOf(a))
      this.#operations.set(key, others)
    }
  }

  /** @throws NotImplemented, MethodNotAllowed */
  find(wanted: Wanted): S3Operation {
    const { method, where, query } = wanted
    const found = firstThatSelects(this.#operations.get(`${method} ${where}`), wanted)
    for (const name of query.derive(subresourcesOf)) {
      if (found?.names.includes(name) !== true) throw notImplemented(`${method} with the subresource "${name}"`)
    }
    if (found !== undefined) return found.operation
    if (where === 'service') throw notImplemented(`${method} on the service itself (IAM, STS and the like)`)
    throw new S3Error('MethodNotAllowed', `${method.slice(0, 20)} is not possible on a ${where === 'bucket' ? 'bucket' : 'key'}`)
  }
}

function candidateOf(operation: S3Operation): Candidate {
  const markers = (operation.markers ?? []).map((marker) => {
    const equals = marker.indexOf('=')
    return equals === -1 ? { name: marker, value: undefined } : { name: marker.slice(0, equals), value: marker.slice(equals + 1) }
  })
  return { operation, markers, names: markers.map(({ name }) => name) }
}

function subresourcesOf(query: S3Query): readonly string[] {
  return query === S3Query.NONE ? NO_NAMES : [...query.names()].filter((name) => SUBRESOURCES.has(name))
}

const NO_NAMES: readonly string[] = []

function firstThatSelects(candidates: readonly Candidate[] | undefined, wanted: Wanted): Candidate | undefined {
  if (candidates !== undefined) for (const candidate of candidates) if (selects(candidate, wanted)) return candidate
  return undefined
}

function selects({ operation, markers }: Candidate, { query, headers }: Wanted): boolean {
  if (operation.header !== undefined && headers[operation.header] === undefined) return false
  for (const { name, value } of markers) {
    if (!query.has(name)) return false
    if (value !== undefined && query.get(name) !== value) return false
  }
  return true
}

function weightOf({ operation, markers }: Candidate): number {
  return markers.length + (operation.header === undefined ? 0 : 1)
}

function notImplemented(what: string): S3Error {
  return new S3Error('NotImplemented', `${what} is not implemented here: docs/s3.md lists the operations that are`)
}
