import assert from 'node:assert/strict'
import type { UploadId } from '#foundation/ids.ts'
import { digest, make } from './model-bytes.suite.ts'
import { type ModelPair, quietly, UPLOAD_EXPIRY_MS } from './model-pair.suite.ts'
import { bodyOf, caller } from './volume-fixture.suite.ts'
import { checkConditions, contentsOf, ModelError } from './model-node.suite.ts'
import type { Operation } from './volume-operations.suite.ts'

/** Operations of upload sessions. */
export class ModelUploads {
  readonly #pair: ModelPair
  readonly #uploads: UploadId[] = []

  constructor(pair: ModelPair) {
    this.#pair = pair
  }

  async upload(
    operation: Extract<Operation, { do: 'begin-upload' | 'write-part' | 'commit-upload' | 'abort-upload' }>,
  ): Promise<void> {
    const model = this.#pair.model
    const volume = this.#pair.volume
    if (operation.do === 'begin-upload') {
      const path = this.#pair.path(operation.at)
      const options = this.#pair.putOptions(path, operation)
      this.#pair.say(operation.do, path, options)
      return this.#pair.both(
        () => {
          if (path.length === 0) throw new ModelError('IS_A_DIRECTORY')
          checkConditions(
            options.conditions,
            quietly(() => model.find(path, true)),
          )
        },
        () => volume.beginUpload(path, { caller, ...options }),
        (_, upload) => {
          const { conditions, attributes, createParents } = options
          const expiresNs = model.nowNs + BigInt(UPLOAD_EXPIRY_MS) * 1_000_000n
          assert.deepEqual([upload.path, upload.expiresNs, upload.parts], [path, expiresNs, []])
          model.uploads.set(upload.id, { path, conditions, attributes, createParents, expiresNs, parts: new Map() })
          this.#uploads.push(upload.id)
        },
      )
    }
    const id = this.#uploads[operation.upload % Math.max(1, this.#uploads.length)] ?? ('0'.repeat(32) as UploadId)
    this.#pair.say(operation.do, id, operation)
    if (operation.do === 'write-part') {
      const bytes = make(operation.bytes)
      const { number } = operation
      return this.#pair.both(
        () => model.upload(id).parts.set(number, bytes),
        () => volume.writePart(id, { number, body: bodyOf(bytes) }),
        (_, part) => assert.deepEqual(part, { number, sizeBytes: bytes.length, sha256: digest(bytes) }),
      )
    }
    if (operation.do === 'abort-upload') {
      return this.#pair.both(
        () => {
          model.upload(id)
          model.uploads.delete(id)
        },
        () => volume.abortUpload(id),
      )
    }
    const upload = model.uploads.get(id)
    const whole = upload === undefined ? Buffer.alloc(0) : contentsOf(upload)
    const expected = {
      nothing: {},
      right: { sizeBytes: whole.length, sha256: digest(whole) },
      size: { sizeBytes: whole.length + 1 },
      digest: { sha256: Buffer.alloc(32) },
    }[operation.expect]
    return this.#pair.both(
      () => {
        model.upload(id)
        if (operation.expect === 'size') throw new ModelError('UPLOAD_INCOMPLETE')
        if (operation.expect === 'digest') throw new ModelError('DIGEST_MISMATCH')
        return model.commit(id)
      },
      () => volume.commitUpload(id, { caller, expected }),
      ({ node, created }, result) => {
        model.uploads.delete(id)
        assert.equal(result.created, created)
        this.#pair.compareAttributes(node, result.attributes)
      },
    )
  }
}
