import type { NodeId } from '#foundation/ids.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { diffLayouts } from '#placement/layout-diff.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import type { Layout, LayoutNode } from '#placement/layout.ts'
import { DEFAULT_NODE_SETTING, layoutName } from './system-view.ts'
import type { ClassRecord, LayoutName, SystemEdit, SystemView } from './system-view.ts'

/** A disk that gets a little larger or smaller moves nothing. */
const CAPACITY_CHANGE_MIN = 0.1

/** A node that keeps chunks, as it says of itself. */
export type StoreNode = Omit<LayoutNode, 'weight'>

/** What the layouts and the growing class have to become when `nodes` are there to keep chunks; `undefined` if all is as it should be.
 *  Those that the operator has taken out (draining, weight 0) get nothing. One that is readonly keeps the place that it has, as it was given, so
 *  that nothing is copied away from it; who has none gets none. Writers let others stand in for it.
 *
 *  A change that comes while chunks still move starts from where they are going, and they go on being read where they came from. Without
 *  any node that takes chunks the layouts stay: nobody could be told where chunks are. */
export function planLayouts(
  view: SystemView,
  nodes: readonly StoreNode[],
  options: { readonly partitionBits?: number } = {},
): SystemEdit | undefined {
  const kept = nodes.filter(({ id }) => {
    const { state, weight } = view.nodes.get(id) ?? DEFAULT_NODE_SETTING
    return state === 'readonly' && weight > 0
  })
  const able = nodes.map((node) => withWeight(view, node)).filter(({ weight }) => weight > 0)
  if (able.length === 0) return undefined
  const classes = grown(view, able.length)
  const needed = new Set([...view.classes.values()].map((record) => layoutName(classes.get(record.name) ?? record)))
  const layouts = new Map<LayoutName, LayoutPair | undefined>()
  // Those of no class too, as long as they are there: a node that is gone would be waited for, and what moves never settle.
  for (const name of new Set([...needed, ...view.layouts.keys()])) {
    const pair = nextPair(view, name, { able, kept, ...options })
    if (pair !== undefined) layouts.set(name, pair)
  }
  // Chunks may still lie where a class that has got other copies had them, until all have moved.
  const isQuiet = layouts.size === 0 && [...view.layouts.values()].every((pair) => !pair.isChanging)
  if (isQuiet) for (const name of view.layouts.keys()) if (!needed.has(name)) layouts.set(name, undefined)
  return layouts.size === 0 && classes.size === 0 ? undefined : { classes, layouts }
}

/** The layouts of a name once all chunks are where the one of that version has them; `undefined` if it isn't the latest. */
export function settleLayout(view: SystemView, name: LayoutName, version: number): SystemEdit | undefined {
  const pair = view.layouts.get(name)
  if (pair === undefined || !pair.isChanging || pair.next.version !== version) return undefined
  return { layouts: new Map([[name, pair.settled()]]) }
}

/** What is decided about a node counts, whatever it says of itself. */
function withWeight(view: SystemView, node: StoreNode): LayoutNode {
  const { state, weight } = view.nodes.get(node.id) ?? DEFAULT_NODE_SETTING
  // A node that doesn't know its disk yet is one like others.
  return { ...node, capacityBytes: Math.max(1, node.capacityBytes), weight: state === 'active' ? weight : 0 }
}

/** The classes that get more copies because there are more nodes. */
function grown(view: SystemView, nodes: number): Map<string, ClassRecord> {
  const changed = new Map<string, ClassRecord>()
  for (const record of view.classes.values()) {
    const copies = Math.min(record.growsTo ?? 0, nodes)
    if (copies > record.copies) changed.set(record.name, { ...record, copies })
  }
  return changed
}

function nextPair(
  view: SystemView,
  name: LayoutName,
  {
    able,
    kept,
    ...options
  }: { readonly able: readonly LayoutNode[]; readonly kept: readonly StoreNode[]; readonly partitionBits?: number },
): LayoutPair | undefined {
  const [copies, zones] = name.split('/').map(Number) as [number, number]
  const pair = view.layouts.get(name)
  // A class with other copies keeps as many as possible where they are.
  const base = pair?.next ?? nearest(view, copies)
  const places = kept.flatMap(({ id }) => base?.nodes.find((node) => node.id === id) ?? [])
  const steady = [...able.map((node) => withoutFlutter(node, base)), ...places]
  if (pair !== undefined && isOf(pair.next, steady)) return undefined
  const next = computeLayout({ ...options, nodes: steady, copies, zones, previous: base })
  if (base === undefined) return new LayoutPair(next)
  const before = pair?.previous ?? base
  const isSame = pair?.previous === undefined && diffLayouts(base, next).moves.length === 0
  return isSame ? new LayoutPair(next) : new LayoutPair(next, before)
}

function nearest(view: SystemView, copies: number): Layout | undefined {
  const layouts = [...view.layouts.values()].map(({ next }) => next)
  return layouts.toSorted((a, b) => Math.abs(a.copies - copies) - Math.abs(b.copies - copies))[0]
}

function withoutFlutter(node: LayoutNode, base: Layout | undefined): LayoutNode {
  const before = base?.nodes.find(({ id }) => id === node.id)?.capacityBytes
  if (before === undefined || Math.abs(node.capacityBytes - before) > before * CAPACITY_CHANGE_MIN) return node
  return { ...node, capacityBytes: before }
}

function isOf(layout: Layout, nodes: readonly LayoutNode[]): boolean {
  if (layout.nodes.length !== nodes.length) return false
  const known = new Map<NodeId, LayoutNode>(layout.nodes.map((node) => [node.id, node]))
  return nodes.every(({ id, zone, capacityBytes, weight }) => {
    const before = known.get(id)
    return before?.zone === zone && before.capacityBytes === capacityBytes && before.weight === weight
  })
}
