import { randomBytes } from 'node:crypto'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import { computeLayout } from '#placement/compute-layout.ts'
import { decodeLayout, encodeLayout } from '#placement/layout-codec.ts'
import { diffLayouts } from '#placement/layout-diff.ts'
import { LayoutPair } from '#placement/layout-pair.ts'
import type { Layout, LayoutNode } from '#placement/layout.ts'

// What it takes to find a chunk's place, and to compute layouts of 4,096 partitions and three copies: prints tables, takes
// under a minute.

const COPIES = 3
const CHUNKS = 200_000
const ROUNDS = 5
const CANDIDATE_CALLS = 1_000

/** Nodes of one to five TB. */
function nodes(count: number, zones: number): LayoutNode[] {
  return Array.from({ length: count }, (_, at) => ({
    id: at.toString(16).padStart(32, '0') as NodeId,
    zone: `zone-${at % zones}`,
    capacityBytes: (1 + ((at * 7_919) % 5)) * 1e12,
    weight: 1,
  }))
}

const chunks = Array.from({ length: CHUNKS }, () => randomBytes(32).toString('hex') as ChunkId)

/** The best round's microseconds a call. */
function microseconds(calls: number, work: (chunk: ChunkId) => unknown): string {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < ROUNDS; round += 1) {
    const beginMs = performance.now()
    for (let at = 0; at < calls; at += 1) work(chunks[at] as ChunkId)
    best = Math.min(best, ((performance.now() - beginMs) * 1_000) / calls)
  }
  return `${best.toFixed(3)} µs`
}

function placement(count: number): void {
  const previous = computeLayout({ nodes: nodes(count, 10), copies: COPIES })
  const next = computeLayout({ nodes: nodes(count + 1, 10), copies: COPIES, previous })
  const pair = new LayoutPair(next, previous)
  const rows = [
    ['holders', microseconds(CHUNKS, (chunk) => next.holders(chunk))],
    ['readers while the layout changes', microseconds(CHUNKS, (chunk) => pair.readers(chunk))],
    ['candidates', microseconds(CANDIDATE_CALLS, (chunk) => next.candidates(chunk))],
  ]
  for (const [what, time] of rows) console.log(`${count} nodes: ${what}`.padEnd(50), time)
}

function timed(what: string, previous: Layout | undefined, after: LayoutNode[]): Layout {
  const beginMs = performance.now()
  const next = computeLayout({ nodes: after, copies: COPIES, previous })
  const tookMs = Math.round(performance.now() - beginMs)
  const { copiesMoved } = diffLayouts(previous, next)
  console.log(what.padEnd(50), `${tookMs} ms, ${copiesMoved} of ${next.assignment.length} copies move`)
  return next
}

function layouts(count: number, zones: number): void {
  const all = nodes(count, zones)
  const name = `${count} nodes in ${zones} zones:`
  const first = timed(`${name} the first`, undefined, all)
  timed(`${name} one joins`, first, nodes(count + 1, zones))
  timed(`${name} one leaves`, first, all.slice(1))
  timed(`${name} a tenth more`, first, nodes(Math.round(count * 1.1), zones))
  timed(
    `${name} every second one leaves`,
    first,
    all.filter((_, at) => at % 2 === 0),
  )
  timed(
    `${name} other zones and sizes`,
    first,
    nodes(count, zones + 2).map((node, at) => ({ ...node, capacityBytes: (1 + (at % 7)) * 1e12 })),
  )
  const beginMs = performance.now()
  const bytes = encodeLayout(first)
  const encodedMs = performance.now()
  decodeLayout(bytes)
  const times = `${(encodedMs - beginMs).toFixed(1)} ms out, ${(performance.now() - encodedMs).toFixed(1)} ms in`
  console.log(`${name} encoded`.padEnd(50), `${bytes.length} bytes, ${times}`)
}

for (const count of [3, 100, 1_000]) placement(count)
for (const [count, zones] of [
  [3, 3],
  [100, 5],
  [1_000, 1],
  [1_000, 3],
  [1_000, 10],
  [1_000, 1_000],
] as const) {
  layouts(count, zones)
}
