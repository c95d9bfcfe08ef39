import type { IncomingHttpHeaders } from 'node:http'
import type { S3Operation } from './operation.ts'
import { S3Error } from './s3-error.ts'
import type { S3Query } from './s3-query.ts'

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

/** The operations by what selects them. */
export class OperationTable {
  /** By method and place; those with the most markers first. */
  readonly #operations = new Map<string, S3Operation[]>()

  constructor(operations: readonly S3Operation[]) {
    for (const operation of operations) {
      const key = `${operation.method} ${operation.where}`
      const others = this.#operations.get(key) ?? []
      others.push(operation)
      others.sort((a, b) => weightOf(b) - weightOf(a))
      this.#operations.set(key, others)
    }
  }

  /** @throws NotImplemented, MethodNotAllowed */
  find(wanted: Wanted): S3Operation {
    const { method, where, query } = wanted
    const candidates = this.#operations.get(`${method} ${where}`) ?? []
    const operation = candidates.find((candidate) => selects(candidate, wanted))
    const names = operation?.markers?.map(markerName) ?? []
    for (const name of query.derive(subresourcesOf)) {
      if (!names.includes(name)) throw notImplemented(`${method} with the subresource "${name}"`)
    }
    if (operation !== undefined) return operation
    if (where === 'service') throw notImplemented(`${method} on the service itself (IAM, STS and the like)`)
    throw new S3Error('MethodNotAllowed', `${method.slice(0, 20)} is not possible on a ${where === 'bucket' ? 'bucket' : 'key'}`)
  }
}

function subresourcesOf(query: S3Query): readonly string[] {
  return [...query.names()].filter((name) => SUBRESOURCES.has(name))
}

function selects(operation: S3Operation, { query, headers }: Wanted): boolean {
  if (operation.header !== undefined && headers[operation.header] === undefined) return false
  for (const marker of operation.markers ?? []) {
    const name = markerName(marker)
    if (!query.has(name)) return false
    if (name.length < marker.length && query.get(name) !== marker.slice(name.length + 1)) return false
  }
  return true
}

function markerName(marker: string): string {
  const equals = marker.indexOf('=')
  return equals === -1 ? marker : marker.slice(0, equals)
}

function weightOf(operation: S3Operation): number {
  return (operation.markers?.length ?? 0) + (operation.header === undefined ? 0 : 1)
}

function notImplemented(what: string): S3Error {
  return new S3Error('NotImplemented', `${what} is not implemented here: docs/s3.md lists the operations that are`)
}
