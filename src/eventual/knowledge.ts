// Who is a member, what each of them has, and so which removals nobody needs any more: timestamped anti-entropy (Golding 1992), over
// whole states instead of logs. docs/adr/0018-eventual-volumes.md says why it holds.

import type { ByteReader } from '#foundation/byte-reader.ts'
import { ByteWriter } from '#foundation/byte-writer.ts'
import type { NodeId } from '#foundation/ids.ts'
import { eventualReader } from './eventual-reader.ts'
import { type HybridTime, NO_TIME } from './hybrid-clock.ts'

export const MEMBERS_MAX = 1000
export const REMOVED_MAX = 4096

export interface MemberKnowledge {
  /** This node has everything that the member had when its clock showed this. */
  readonly seen: HybridTime
  /** The member has said that it has everything that any member had at this time of that member's clock. */
  readonly acknowledged: HybridTime
  /** How many removed members it knew then, and since when by its clock. */
  readonly removedCount: number
  readonly removedSince: HybridTime
}

const UNKNOWN: MemberKnowledge = { seen: NO_TIME, acknowledged: NO_TIME, removedCount: 0, removedSince: NO_TIME }

/** What one node tells another of all this, as it was at one moment. */
export interface KnowledgeReport {
  readonly members: ReadonlyMap<NodeId, MemberKnowledge>
  readonly removed: readonly NodeId[]
}

export class Knowledge {
  readonly #self: NodeId
  readonly #members = new Map<NodeId, MemberKnowledge>()
  readonly #removed = new Set<NodeId>()
  #isMember: boolean

  /** @param start `isFounder`: it is the first node of its cluster; `report`: what it knew in an earlier life */
  constructor(self: NodeId, { isFounder = false, report }: { isFounder?: boolean; report?: KnowledgeReport | undefined } = {}) {
    this.#self = self
    this.#members.set(self, UNKNOWN)
    this.#isMember = isFounder || report !== undefined
    if (report === undefined) return
    for (const id of report.removed) this.#removed.add(id)
    for (const [id, known] of report.members) this.#members.set(id, known)
  }

  get size(): number {
    return this.#members.size
  }

  /** Whether it has heard from a cluster that knows of it. Before, it can say nothing about what everybody has. */
  get isMember(): boolean {
    return this.#isMember
  }

  members(): NodeId[] {
    return [...this.#members.keys()]
  }

  isRemoved(id: NodeId): boolean {
    return this.#removed.has(id)
  }

  of(id: NodeId): MemberKnowledge | undefined {
    return this.#members.get(id)
  }

  /** This node has everything that each of the others had then. */
  leastSeen(): HybridTime {
    let least = Number.MAX_SAFE_INTEGER
    for (const [id, { seen }] of this.#members) if (id !== this.#self) least = Math.min(least, seen)
    return least as HybridTime
  }

  /** A node that has come to this one. False if it can't be let in. */
  admit(id: NodeId): boolean {
    if (this.#removed.has(id)) return false
    if (this.#members.has(id)) return true
    if (this.#members.size >= MEMBERS_MAX) return false
    this.#members.set(id, UNKNOWN)
    return true
  }

  /** A member is lost, by an operator's word. @param now this node's time */
  remove(id: NodeId, now: HybridTime): void {
    if (this.#removed.has(id) || this.#removed.size >= REMOVED_MAX) return
    this.#removed.add(id)
    this.#members.delete(id)
    const self = this.#members.get(this.#self)
    if (self !== undefined) this.#members.set(this.#self, { ...self, removedCount: this.#removed.size, removedSince: now })
  }

  /** What this node says now: it has everything that it had at `now`. */
  report(now: HybridTime): KnowledgeReport {
    const self = this.#members.get(this.#self)
    if (self !== undefined) {
      this.#members.set(this.#self, { ...self, seen: now })
      this.#members.set(this.#self, { ...self, seen: now, acknowledged: this.#acknowledged() })
    }
    return this.current()
  }

  current(): KnowledgeReport {
    return { members: new Map(this.#members), removed: [...this.#removed] }
  }

  /** Takes in who is a member and what each has acknowledged: true whoever says it. */
  learn({ members, removed }: KnowledgeReport, now: HybridTime): void {
    this.#isMember = true
    for (const id of removed) this.remove(id, now)
    for (const [id, theirs] of members) {
      if (!this.admit(id) || id === this.#self) continue
      const mine = this.#members.get(id) ?? UNKNOWN
      // What a member has once said stays true, also when a crash has made it forget that it could say so.
      const acknowledged = Math.max(theirs.acknowledged, mine.acknowledged) as HybridTime
      const { removedCount, removedSince } = laterRemovals(theirs, mine)
      this.#members.set(id, { seen: mine.seen, acknowledged, removedCount, removedSince })
    }
  }

  /** This node has by now everything that the one had who made the report when it made it. */
  caughtUpWith({ members }: KnowledgeReport): void {
    for (const [id, { seen }] of members) {
      const mine = this.#members.get(id)
      if (mine !== undefined && id !== this.#self && seen > mine.seen) this.#members.set(id, { ...mine, seen })
    }
  }

  /** Up to when every member has everything, as far as this node can say so of itself, too. @param others what another member has found */
  floor(others: HybridTime): HybridTime {
    let least = Number.MAX_SAFE_INTEGER
    for (const { acknowledged } of this.#members.values()) least = Math.min(least, acknowledged)
    return Math.min(Math.max(least, others), this.of(this.#self)?.acknowledged ?? NO_TIME) as HybridTime
  }

  #acknowledged(): HybridTime {
    const before = this.of(this.#self)?.acknowledged ?? NO_TIME
    if (!this.#isMember || !this.#isSettled()) return before
    let least = Number.MAX_SAFE_INTEGER
    for (const { seen } of this.#members.values()) least = Math.min(least, seen)
    return Math.max(before, least) as HybridTime
  }

  /** A lost member's last writes may be with only one of the others. They count as known everywhere only when each has said that it hears
   *  no more of the lost one, and this node has all that they had then. */
  #isSettled(): boolean {
    for (const [id, { seen, removedCount, removedSince }] of this.#members)
      if (removedCount !== this.#removed.size || (id !== this.#self && seen < removedSince)) return false
    return true
  }
}

function laterRemovals(a: MemberKnowledge, b: MemberKnowledge): MemberKnowledge {
  if (a.removedCount !== b.removedCount) return a.removedCount > b.removedCount ? a : b
  return a.removedSince > b.removedSince ? a : b
}

export function writeReport(writer: ByteWriter, { members, removed }: KnowledgeReport): void {
  writer.number(members.size)
  for (const [id, { seen, acknowledged, removedCount, removedSince }] of members) {
    writer.hex(id)
    writer.number(seen)
    writer.number(acknowledged)
    writer.number(removedCount)
    writer.number(removedSince)
  }
  writer.number(removed.length)
  for (const id of removed) writer.hex(id)
}

export function readReport(reader: ByteReader): KnowledgeReport {
  const members = reader.list(MEMBERS_MAX, () => {
    const id = reader.hex(32) as NodeId
    const [seen, acknowledged] = [reader.number() as HybridTime, reader.number() as HybridTime]
    return [
      id,
      { seen, acknowledged, removedCount: reader.number(REMOVED_MAX), removedSince: reader.number() as HybridTime },
    ] as const
  })
  const removed = reader.list(REMOVED_MAX, () => reader.hex(32) as NodeId)
  return { members: new Map(members), removed }
}

export function encodeReport(report: KnowledgeReport): Buffer {
  const writer = new ByteWriter()
  writeReport(writer, report)
  return writer.finish()
}

/** @throws INVALID_ARGUMENT */
export function decodeReport(bytes: Buffer): KnowledgeReport {
  const reader = eventualReader(bytes)
  const report = readReport(reader)
  reader.end()
  return report
}
