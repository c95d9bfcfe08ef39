import assert from 'node:assert/strict'
import type { Attributes } from '#metadata/attributes.ts'
import { make } from './model-bytes.suite.ts'
import type { ModelPair } from './model-pair.suite.ts'
import { bodyOf, caller } from './volume-fixture.suite.ts'
import type { ModelNode } from './model-node.suite.ts'
import type { Operation } from './volume-operations.suite.ts'

type WriteOperation = Extract<Operation, { do: 'write-file' | 'write-at' | 'truncate' | 'punch' | 'copy-range' }>

/** Operations that change files, entries and attributes. */
export class ModelChanges {
  readonly #pair: ModelPair

  constructor(pair: ModelPair) {
    this.#pair = pair
  }

  async write(operation: WriteOperation): Promise<void> {
    const model = this.#pair.model
    const volume = this.#pair.volume
    if (operation.do === 'copy-range') {
      const { sourceOffset, targetOffset, length } = operation
      const source = this.#pair.path(operation.source)
      const target = operation.target === undefined ? source : this.#pair.path(operation.target)
      const range = { sourceOffset, targetOffset, length }
      this.#pair.say(operation.do, source, target, range)
      return this.#pair.both(
        () => model.copyRange(source, target, range),
        () => volume.copyRange({ source, target, ...range }, caller),
        (node, attributes) => this.#pair.compareAttributes(node, attributes),
      )
    }
    const path = this.#pair.path(operation.at)
    if (operation.do === 'truncate') {
      this.#pair.say(operation.do, path, operation.size)
      return this.#pair.both(
        () => model.truncate(path, operation.size),
        () => volume.truncate(path, operation.size, caller),
        (node, attributes) => this.#pair.compareAttributes(node, attributes),
      )
    }
    if (operation.do === 'punch') {
      const { offset, length } = operation
      this.#pair.say(operation.do, path, offset, length)
      return this.#pair.both(
        () => model.punch(path, { offset, length }),
        () => volume.punch(path, { offset, length }, caller),
        (node, attributes) => this.#pair.compareAttributes(node, attributes),
      )
    }
    const bytes = make(operation.bytes)
    if (operation.do === 'write-at') {
      this.#pair.say(operation.do, path, operation.offset, operation.bytes)
      return this.#pair.both(
        () => model.writeAt(path, operation.offset, bytes),
        () => volume.writeAt(path, { offset: operation.offset, bytes }, caller),
        (node, attributes) => this.#pair.compareAttributes(node, attributes),
      )
    }
    const options = this.#pair.putOptions(path, operation)
    this.#pair.say(operation.do, path, operation.bytes, options)
    return this.#pair.both(
      () => model.put(path, bytes, options),
      () => volume.writeFile(path, bodyOf(bytes), { caller, digest: operation.digest, ...options }),
      ({ node, created }, result) => {
        assert.equal(result.created, created)
        if (operation.digest) assert.ok(result.attributes.sha256 !== undefined, 'the digest was asked for')
        this.#pair.compareAttributes(node, result.attributes)
      },
    )
  }

  async change(
    operation: Extract<
      Operation,
      {
        do:
          | 'make-directory'
          | 'make-symlink'
          | 'make-node'
          | 'link'
          | 'rename'
          | 'copy'
          | 'remove'
          | 'set-attributes'
          | 'write-xattr'
          | 'remove-xattr'
      }
    >,
  ): Promise<void> {
    const model = this.#pair.model
    const volume = this.#pair.volume
    const compare = (node: ModelNode, attributes: Attributes): void => this.#pair.compareAttributes(node, attributes)
    if (operation.do === 'link' || operation.do === 'rename' || operation.do === 'copy') return this.#changeTwo(operation)
    const path = this.#pair.path(operation.at)
    const { do: _, at: __, ...rest } = operation
    this.#pair.say(operation.do, path, rest)
    switch (operation.do) {
      case 'make-directory': {
        const { parents, mode } = operation
        return this.#pair.both(
          () => model.makeDirectory(path, { parents, mode }),
          () => volume.makeDirectory(path, { caller, parents, mode }),
          compare,
        )
      }
      case 'make-symlink': {
        const target = Buffer.from(operation.target)
        const { createParents } = operation
        return this.#pair.both(
          () => model.make(path, 'symlink', { mode: 0o777, bytes: target }, createParents),
          () => volume.makeSymlink(path, target, { caller, createParents }),
          compare,
        )
      }
      case 'make-node': {
        const { type, rdev } = operation
        return this.#pair.both(
          () => model.make(path, type, { mode: 0o600, rdev: type === 'block-device' ? rdev : 0 }),
          () => volume.makeNode(path, { type, mode: 0o600, rdev }, caller),
          compare,
        )
      }
      case 'remove': {
        const { recursive } = operation
        const conditions = this.#pair.conditions(path, operation.conditions)
        const options = conditions === undefined ? {} : { conditions }
        return this.#pair.both(
          () => model.remove(path, { recursive, conditions }),
          () => volume.remove(path, { caller, recursive, ...options }),
        )
      }
      case 'set-attributes':
        return this.#pair.both(
          () => model.setAttributes(path, operation.changes),
          () => volume.setAttributes(path, operation.changes, caller),
          compare,
        )
      case 'write-xattr': {
        const { name, mode } = operation
        const value = make(operation.bytes)
        return this.#pair.both(
          () => model.writeXattr(path, name, { value, mode }),
          () => volume.writeXattr(path, { name, value, ...(mode === undefined ? {} : { mode }) }, caller),
        )
      }
      case 'remove-xattr':
        return this.#pair.both(
          () => model.removeXattr(path, operation.name),
          () => volume.removeXattr(path, operation.name, caller),
        )
    }
  }

  async #changeTwo(operation: Extract<Operation, { do: 'link' | 'rename' | 'copy' }>): Promise<void> {
    const source = this.#pair.path(operation.source)
    const target = this.#pair.path(operation.target)
    const { do: kind, source: _, target: __, ...options } = operation
    this.#pair.say(kind, source, target, options)
    const model = this.#pair.model
    const volume = this.#pair.volume
    const compare = (node: ModelNode, attributes: Attributes): void => this.#pair.compareAttributes(node, attributes)
    if (operation.do === 'link') {
      return this.#pair.both(
        () => model.link(source, target),
        () => volume.link(source, target, caller),
        compare,
      )
    }
    if (operation.do === 'rename') {
      const { mode, createParents } = operation
      return this.#pair.both(
        () => model.rename(source, target, { mode, createParents }),
        () => volume.rename(source, target, { caller, mode, createParents }),
      )
    }
    // Copying a tree over what it lies in changes it while it is being copied: there is no one right outcome.
    if (operation.recursive && target.length < source.length && target.every((name, at) => source[at] === name)) return
    const { recursive, createParents, replace } = operation
    return this.#pair.both(
      () => model.copy(source, target, { recursive, createParents, replace }),
      () => volume.copy(source, target, { caller, recursive, createParents, replace }),
      compare,
      { inSteps: true },
    )
  }
}
