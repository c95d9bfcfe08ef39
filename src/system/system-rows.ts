// The rows of the cluster's own records, described byte by byte in docs/formats/system.md.

import { ShoalError, isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { KeyValue } from '#kv/store.ts'
import { parseClassPolicy } from '#placement/class-policy.ts'
import { decodeLayout, encodeLayout } from '#placement/layout-codec.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import type { Layout } from '#placement/layout.ts'
import { EMPTY_VIEW, NODE_POSTURES, layoutName } from './system-view.ts'
import type { ClassRecord, LayoutName, NodeSetting, SystemEdit, SystemView } from './system-view.ts'

/** `S` among the rows that belong to no volume: docs/formats/metadata.md. */
const PREFIX = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0x53])
export const SYSTEM_ROWS = { start: PREFIX, end: Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 0x54]) }

/** Whether a row of `SYSTEM_ROWS` is a class; the others speak of nodes. */
export const isClassRow = (key: Uint8Array): boolean => key[PREFIX.length] === CLASS

const CLASS = 0x63 // c: name
const LAYOUT = 0x6c // l: copies, zones, which
const NODE = 0x6e // n: node id
const VERSION = 0x76 // v
const NEXT = 0
const PREVIOUS = 1
const HEAD_BYTES = PREFIX.length + 1

export const VERSION_KEY = keyOf(VERSION, Buffer.alloc(0))

/** Decodes a layout, or finds it decoded: they are large and change seldom. */
export type DecodeLayout = (key: Buffer, bytes: Buffer) => Layout

/** Remembers the layouts of the rows that were read last. */
export class LayoutCache {
  readonly #known = new Map<string, { bytes: Buffer; layout: Layout }>()

  readonly decode: DecodeLayout = (key, bytes) => {
    const name = key.toString('latin1')
    const known = this.#known.get(name)
    if (known?.bytes.equals(bytes) === true) return known.layout
    const layout = decodeLayout(bytes)
    this.#known.set(name, { bytes: Buffer.from(bytes), layout })
    return layout
  }
}

/** @throws DATA_FORMAT for what this version can't read */
export function readRows(rows: Iterable<KeyValue>, decode: DecodeLayout): SystemView {
  const classes = new Map(EMPTY_VIEW.classes)
  const nodes = new Map<NodeId, NodeSetting>()
  const found = new Map<LayoutName, { next?: Layout; previous?: Layout }>()
  let version = 0
  for (const { key, value } of rows) {
    const rest = key.subarray(HEAD_BYTES)
    if (key[PREFIX.length] === VERSION) version = Number(value.readBigUInt64BE(0))
    else if (key[PREFIX.length] === CLASS) classes.set(rest.toString('utf8'), readClass(rest.toString('utf8'), value))
    else if (key[PREFIX.length] === NODE) nodes.set(rest.toString('hex') as NodeId, readNode(value))
    else if (key[PREFIX.length] === LAYOUT) {
      const name = layoutName({ copies: rest[0] as number, zones: rest[1] as number })
      const pair = found.get(name) ?? {}
      pair[rest[2] === NEXT ? 'next' : 'previous'] = decode(key, value)
      found.set(name, pair)
    }
  }
  const layouts = new Map<LayoutName, LayoutPair>()
  for (const [name, { next, previous }] of found) if (next !== undefined) layouts.set(name, new LayoutPair(next, previous))
  return { version, classes, nodes, layouts }
}

/** What an edit writes, the new version included; without a value, what it removes. */
export function rowsOf(edit: SystemEdit, version: number): { readonly key: Buffer; readonly value: Buffer | undefined }[] {
  const versionValue = Buffer.alloc(8)
  versionValue.writeBigUInt64BE(BigInt(version))
  const rows: { key: Buffer; value: Buffer | undefined }[] = [{ key: VERSION_KEY, value: versionValue }]
  for (const [name, record] of edit.classes ?? []) {
    rows.push({ key: keyOf(CLASS, Buffer.from(name)), value: record && writeJson(record) })
  }
  for (const [id, setting] of edit.nodes ?? []) {
    rows.push({ key: keyOf(NODE, Buffer.from(id, 'hex')), value: setting && writeNode(setting) })
  }
  for (const [name, pair] of edit.layouts ?? []) {
    const [copies, zones] = name.split('/').map(Number) as [number, number]
    const layoutKey = (which: number): Buffer => keyOf(LAYOUT, Buffer.from([copies, zones, which]))
    rows.push({ key: layoutKey(NEXT), value: pair && encodeLayout(pair.next) })
    rows.push({ key: layoutKey(PREVIOUS), value: pair?.previous && encodeLayout(pair.previous) })
  }
  return rows
}

function keyOf(kind: number, rest: Buffer): Buffer {
  return Buffer.concat([PREFIX, Buffer.from([kind]), rest])
}

function writeJson(value: object): Buffer {
  return Buffer.from(JSON.stringify(value))
}

function readClass(name: string, value: Buffer): ClassRecord {
  const fields = readJson(value) as Partial<ClassRecord>
  try {
    const policy = parseClassPolicy({ ...fields, name, copies: Number(fields.copies) })
    return { ...policy, growsTo: typeof fields.growsTo === 'number' ? fields.growsTo : undefined }
  } catch (error) {
    if (isShoalError(error, 'INVALID_ARGUMENT')) throw malformed(`the class "${name}"`)
    throw error
  }
}

function writeNode({ state, weight, isDrained }: NodeSetting): Buffer {
  return writeJson({ state, weight, drained: isDrained })
}

function readNode(value: Buffer): NodeSetting {
  const { state, weight, drained } = readJson(value) as Record<string, unknown>
  const known = NODE_POSTURES.find((posture) => posture === state)
  if (known === undefined || typeof weight !== 'number') throw malformed('the settings of a node')
  return { state: known, weight, ...(known === 'draining' && drained === true ? { isDrained: true } : {}) }
}

function readJson(value: Buffer): object {
  try {
    const parsed: unknown = JSON.parse(value.toString())
    if (typeof parsed === 'object' && parsed !== null) return parsed
  } catch {
    // Said below.
  }
  throw malformed('a row')
}

function malformed(what: string): ShoalError {
  return new ShoalError('DATA_FORMAT', `The cluster's records hold ${what} in a form that this version can't read`)
}
