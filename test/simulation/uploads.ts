import type { Clock } from '#platform/clock.ts'
import type { SeededRandom } from '#platform/seeded-random.ts'
import type { GatewayClient } from './gateway-client.ts'
import type { Answer, Request } from './requests.ts'
import { elementsOf } from './s3-requests.ts'
import { UPLOAD_MS } from './settings.ts'
import { commitStep, fileTarget, VOLUME } from './steps.ts'
import type { Content, DoorName, Place, Step } from './steps.ts'

const PART_TRIES = 5
const RETRY_MS = 150
const PARTS_MAX = 4
/** Clocks of nodes are apart, and what ends a session is that of the one that leads. */
const SURE_MS = UPLOAD_MS / 2

export interface UploaderOptions {
  readonly random: SeededRandom
  readonly gateway: GatewayClient
  readonly clock: Clock
  /** Answers that nothing can explain. */
  wrong(at: Place, request: Request, answer: Answer): void
}

/** Uploads in parts: sessions of REST, and those of S3, of which all parts but the last have to be larger than what is simulated. */
export class Uploader {
  readonly #options: UploaderOptions

  constructor(options: UploaderOptions) {
    this.#options = options
  }

  /** Sends all of the content. What is left to do is a step; none if it came to nothing: then nothing of it may ever be seen. */
  async begin(at: Place, door: DoorName, content: Content): Promise<Step | undefined> {
    const { clock, random } = this.#options
    const isCreation = random.chance(0.3)
    const untilMs = clock.monotonicMs() + SURE_MS
    const id = await this.#begin(at, door, isCreation)
    if (id === undefined) return undefined
    const tags = await this.#sendParts(at, door, { id, bytes: content.bytes, untilMs })
    if (tags === undefined) return undefined
    const step = commitStep(at, commitRequest(at, door, { id, tags }), { value: content.value, isCreation })
    // Whoever is slow finds the session gone, also who has waited with the commit for another leader.
    return { ...step, gone: () => (clock.monotonicMs() < untilMs ? undefined : 'UPLOAD_NOT_FOUND') }
  }

  async #begin(at: Place, door: DoorName, isCreation: boolean): Promise<string | undefined> {
    const path = `${at.group}/${at.name}`
    const asked = isCreation ? { path, ifNoneMatch: '*' } : { path }
    const request: Request =
      door === 's3'
        ? { door, method: 'POST', target: `${fileTarget(at, door)}?uploads` }
        : { method: 'POST', target: `volumes/${VOLUME}/uploads`, content: Buffer.from(JSON.stringify(asked)) }
    const answer = await this.#options.gateway.send(at.node, request)
    // Whoever asks for nothing to be there may learn at once that something is.
    const isRefused = isCreation && answer.kind === 'failed' && answer.code === 'PRECONDITION_FAILED'
    if (answer.kind === 'failed' && !isRefused) this.#options.wrong(at, request, answer)
    if (answer.kind !== 'done') return undefined
    if (door === 's3') return elementsOf(answer.content, 'UploadId')[0]
    return (JSON.parse(answer.content.toString()) as { id: string }).id
  }

  /** The tags of the parts, which were sent in any order, some more than once. */
  async #sendParts(
    at: Place,
    door: DoorName,
    upload: { readonly id: string; readonly bytes: Buffer; readonly untilMs: number },
  ): Promise<string[] | undefined> {
    const { random } = this.#options
    const parts = cut(upload.bytes, door === 's3' ? 1 : 1 + random.below(PARTS_MAX), random)
    const tags: string[] = []
    const order = parts.map((_, index) => index).toSorted(() => random.fraction() - 0.5)
    if (random.chance(0.2)) order.push(random.below(parts.length))
    for (const index of order) {
      const tag = await this.#sendPart(at, partRequest(at, door, { id: upload.id, index, bytes: parts[index] as Buffer }), upload)
      if (tag === undefined) return undefined
      tags[index] = tag
    }
    return tags
  }

  async #sendPart(at: Place, request: Request, { untilMs }: { readonly untilMs: number }): Promise<string | undefined> {
    const { gateway, clock } = this.#options
    for (let tries = 0; tries < PART_TRIES; tries += 1) {
      const answer = await gateway.send(at.node, request)
      if (answer.kind === 'done') return answer.etag ?? ''
      if (answer.kind === 'failed') {
        if (answer.code !== 'UPLOAD_NOT_FOUND' || clock.monotonicMs() < untilMs) this.#options.wrong(at, request, answer)
        return undefined
      }
      await clock.sleep(RETRY_MS)
    }
    return undefined
  }
}

function partRequest(
  at: Place,
  door: DoorName,
  part: { readonly id: string; readonly index: number; readonly bytes: Buffer },
): Request {
  const number = part.index + 1
  const target =
    door === 's3'
      ? `${fileTarget(at, door)}?partNumber=${number}&uploadId=${part.id}`
      : `volumes/${VOLUME}/uploads/${part.id}/parts/${number}`
  return { door, method: 'PUT', target, content: part.bytes }
}

function commitRequest(at: Place, door: DoorName, upload: { readonly id: string; readonly tags: readonly string[] }): Request {
  const { id, tags } = upload
  if (door === 'rest') return { method: 'POST', target: `volumes/${VOLUME}/uploads/${id}/commit`, content: Buffer.from('{}') }
  const parts = tags.map((tag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${tag}</ETag></Part>`)
  const content = Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`)
  return { door, method: 'POST', target: `${fileTarget(at, door)}?uploadId=${id}`, content }
}

/** So many pieces, the cuts anywhere. */
function cut(bytes: Buffer, count: number, random: SeededRandom): Buffer[] {
  const cuts = Array.from({ length: count - 1 }, () => 1 + random.below(bytes.length - 1)).toSorted((a, b) => a - b)
  return [0, ...cuts].map((begin, index) => bytes.subarray(begin, cuts[index] ?? bytes.length))
}
