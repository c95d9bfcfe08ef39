// Multipart uploads of S3 on an eventual volume: sessions of the node that takes them, which no other knows of.

import { createHash } from 'node:crypto'
import type { Extent } from '#eventual/entry.ts'
import type { Upload, UploadName, UploadPart, UploadTable } from '#eventual/uploads.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { UploadId } from '#foundation/ids.ts'
import type { Transaction } from '#kv/store.ts'
import type { ObjectProperties } from '#metadata/object-part.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { EventualContents } from './eventual-contents.ts'
import { bounded } from './object-writes.ts'
import { runsOf } from './object-uploads.ts'
import type * as port from './objects.ts'
import type { BodyStream } from './volume.ts'

export interface EventualUploadParts {
  readonly table: UploadTable
  readonly contents: EventualContents
  readonly clock: Clock
  readonly random: Random
  readonly uploadExpiryMs: number
}

/** What is kept of an upload, beside its place. */
interface Details {
  readonly owner: string
  readonly properties: ObjectProperties
  readonly checksum?: port.ObjectUpload['checksum']
}

interface PartDetails {
  readonly etag: string
  readonly modifiedNs: string
  readonly checksum?: port.ObjectPartInfo['checksum']
}

/** An upload's parts as what they become. */
interface Assembled {
  readonly extents: readonly Extent[]
  readonly sizeBytes: number
  readonly md5: Buffer
  readonly properties: ObjectProperties
  /** Ends the upload, in the step that publishes the object. */
  readonly end: (transaction: Transaction) => void
}

const UPLOADS_MAX = 10_000

export class EventualObjectUploads {
  readonly #parts: EventualUploadParts
  readonly #volume: string

  constructor(parts: EventualUploadParts, volume: string) {
    this.#parts = parts
    this.#volume = volume
  }

  async begin(key: string, { caller, properties, checksum }: port.UploadStart): Promise<port.ObjectUpload> {
    const { table, clock, random, uploadExpiryMs } = this.#parts
    const startedNs = clock.nowNs()
    const details: Details = { owner: caller.principal, properties, ...(checksum === undefined ? {} : { checksum }) }
    const upload: Upload = {
      id: random.bytes(16).toString('hex') as UploadId,
      volume: this.#volume,
      path: key,
      startedNs,
      expiresNs: startedNs + BigInt(uploadExpiryMs) * 1_000_000n,
      details: JSON.stringify({ object: details }),
    }
    await table.begin(upload)
    return { id: upload.id, key, startedNs, owner: caller.principal, properties, checksum }
  }

  async find(key: string, id: string): Promise<port.ObjectUpload | undefined> {
    if (!/^[0-9a-f]{32}$/.test(id)) return undefined
    const upload = await this.#parts.table.find(this.#volume, id as UploadId)
    return upload?.path === key ? describe(upload) : undefined
  }

  async list(prefix: string): Promise<readonly port.ObjectUpload[]> {
    const all = (await this.#parts.table.list(this.#volume, { limit: UPLOADS_MAX })).map(describe)
    const matching = all.filter((upload) => upload !== undefined).filter(({ key }) => key.startsWith(prefix))
    return matching.toSorted((a, b) => {
      const order = Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))
      return order === 0 ? Number(a.startedNs - b.startedNs) : order
    })
  }

  putPart(upload: port.ObjectUpload, body: BodyStream, options: port.PutPartOptions): Promise<port.ObjectPartInfo> {
    const { number, expected, signal, checksum: announced } = options
    const { contents, table, clock } = this.#parts
    const store = { ...(expected === undefined ? {} : { expected }), ...(signal === undefined ? {} : { signal }), md5: true }
    return contents.storePart(bounded(body), store, async ({ sizeBytes, md5, extents }) => {
      const checksum = announced()
      const details: PartDetails = {
        etag: (md5 as Buffer).toString('hex'),
        modifiedNs: String(clock.nowNs()),
        ...(checksum === undefined ? {} : { checksum }),
      }
      const part = { number, sizeBytes, extents, details: JSON.stringify(details) }
      await table.putPart(this.#nameOf(upload), part)
      return describePart(part)
    })
  }

  async listParts(upload: port.ObjectUpload): Promise<readonly port.ObjectPartInfo[]> {
    return (await this.#parts.table.parts(this.#nameOf(upload))).map(describePart)
  }

  /** The parts that were chosen, as one. @throws UPLOAD_INCOMPLETE, UPLOAD_NOT_FOUND */
  async assemble(
    upload: port.ObjectUpload,
    { parts: chosen, checksum }: Pick<port.CompleteOptions, 'parts' | 'checksum'>,
  ): Promise<Assembled> {
    const { table } = this.#parts
    const name = this.#nameOf(upload)
    const wanted = new Map(chosen.map(({ number, etag }) => [number, etag]))
    const parts = (await table.parts(name)).filter((part) => wanted.get(part.number) === describePart(part).etag)
    if (parts.length !== wanted.size)
      throw new ShoalError('UPLOAD_INCOMPLETE', `Parts of upload "${upload.id}" were sent anew while it was being completed`)
    const md5 = createHash('md5')
    for (const part of parts) md5.update(Buffer.from(describePart(part).etag, 'hex'))
    return {
      extents: parts.flatMap(({ extents }) => extents),
      sizeBytes: parts.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      md5: md5.digest(),
      properties: {
        ...upload.properties,
        upload: upload.id,
        partSizes: runsOf(parts),
        ...(checksum === undefined ? {} : { checksum }),
      },
      end: (transaction) => table.end(transaction, name),
    }
  }

  clear({ id }: port.ObjectUpload): Promise<void> {
    return this.#parts.table.clear(id)
  }

  abort(upload: port.ObjectUpload): Promise<void> {
    return this.#parts.table.abort(this.#nameOf(upload))
  }

  #nameOf({ id }: port.ObjectUpload): UploadName {
    return { id, volume: this.#volume }
  }
}

/** `undefined` for one that came through another door. */
function describe({ id, path, startedNs, details }: Upload): port.ObjectUpload | undefined {
  const { object } = JSON.parse(details) as { object?: Details }
  if (object === undefined) return undefined
  return { id, key: path, startedNs, owner: object.owner, properties: object.properties, checksum: object.checksum }
}

function describePart({ number, sizeBytes, details }: UploadPart): port.ObjectPartInfo {
  const { etag, modifiedNs, checksum } = JSON.parse(details) as PartDetails
  return { number, sizeBytes, etag, modifiedNs: BigInt(modifiedNs), checksum }
}
