import type { NodeId } from '#foundation/ids.ts'
import { DEFAULT_CLASS } from '#placement/class-policy.ts'
import type { ClassPolicy } from '#placement/class-policy.ts'
import type { LayoutPair } from '#placement/layout-pair.ts'

export const NODE_POSTURES = ['active', 'readonly', 'draining'] as const
/** What an operator has decided about a node: `readonly` gets no new chunks, and keeps those it has and its place, `draining` gives its chunks away too. */
export type NodePosture = (typeof NODE_POSTURES)[number]

export interface NodeSetting {
  readonly state: NodePosture
  /** How much of the data it is to get, in comparison with others of its capacity: 1 is usual, 0 nothing, else 0.001 to 1,000. */
  readonly weight: number
  /** Of one that is draining: everything that it held is where it belongs without it. Left out unless it is so. */
  readonly isDrained?: true
}

/** Of a node that nobody has decided anything about. */
export const DEFAULT_NODE_SETTING: NodeSetting = { state: 'active', weight: 1 }

/** Of a node that was removed. It is kept: the node may lead by then, or come to lead, before it hears of that, and would find itself a place. */
export const REMOVED_NODE_SETTING: NodeSetting = { state: 'draining', weight: 0, isDrained: true }

/** A class as it is kept. */
export interface ClassRecord extends ClassPolicy {
  /** `copies` becomes the number of nodes with chunks as nodes join, up to this, and never less again; `undefined` once somebody
   *  has said how many there shall be. */
  readonly growsTo: number | undefined
}

/** `default`, until somebody changes it: with three nodes and more it survives the loss of any one. */
export const FIRST_DEFAULT_CLASS: ClassRecord = { ...DEFAULT_CLASS, ack: 'quorum', growsTo: 3 }

/** Which layouts a class uses: those of all classes with as many copies and zones. */
export interface LayoutKey {
  readonly copies: number
  readonly zones: number
}

export type LayoutName = `${number}/${number}`

/** `layoutName({ copies: 3, zones: 2 })` is `3/2`. */
export function layoutName({ copies, zones }: LayoutKey): LayoutName {
  return `${copies}/${zones}`
}

/** The cluster's own records as of one moment. Values: they don't change any more. */
export interface SystemView {
  /** One more with every change of anything in here; 0 before the first. */
  readonly version: number
  /** By name; `default` is always there. */
  readonly classes: ReadonlyMap<string, ClassRecord>
  /** Those that something was decided about. */
  readonly nodes: ReadonlyMap<NodeId, NodeSetting>
  /** By copies and zones; what a class needs may be lacking for a moment. */
  readonly layouts: ReadonlyMap<LayoutName, LayoutPair>
}

export const EMPTY_VIEW: SystemView = {
  version: 0,
  classes: new Map([[FIRST_DEFAULT_CLASS.name, FIRST_DEFAULT_CLASS]]),
  nodes: new Map(),
  layouts: new Map(),
}

/** Rows to be written; `undefined` removes one. */
export interface SystemEdit {
  readonly classes?: ReadonlyMap<string, ClassRecord | undefined>
  readonly nodes?: ReadonlyMap<NodeId, NodeSetting | undefined>
  readonly layouts?: ReadonlyMap<LayoutName, LayoutPair | undefined>
}

/** Where views come from: the key-value store itself, or another node. */
export interface SystemSource {
  /** The latest that is known here. */
  readonly view: SystemView
  /** Calls `listener` after each change, until what it returns is called. */
  onChange(listener: (view: SystemView) => void): () => void
}

/** Whether chunks may be on several nodes: then there is something for the tracker to do, and it alone does it. A node that is draining may have
 *  some when no layout has it any more. */
export function isSpread({ layouts, nodes: settings }: Pick<SystemView, 'layouts' | 'nodes'>): boolean {
  const nodes = [...layouts.values()].flatMap(({ next, previous }) => [...next.nodes, ...(previous?.nodes ?? [])])
  if (nodes.some(({ id }) => id !== nodes[0]?.id)) return true
  return nodes.length > 0 && [...settings.values()].some(({ state, isDrained }) => state === 'draining' && isDrained !== true)
}

/** A class by its name, `default` where there is none of that name (any more). */
export function classOf(view: SystemView, name: string): ClassRecord {
  return view.classes.get(name) ?? view.classes.get(DEFAULT_CLASS.name) ?? FIRST_DEFAULT_CLASS
}
