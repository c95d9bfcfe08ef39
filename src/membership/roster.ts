import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Random } from '#platform/random.ts'
import { type MemberState, MEMBERS_MAX, REMOVED_MAX } from './exchange.ts'
import { areSameFacts, checkFacts, type NodeFacts } from './facts.ts'
import { GossipQueue } from './gossip-queue.ts'
import { isRunning, isShown, type Member, type MemberChangeKind } from './member.ts'
import { ProbeRing } from './probe-ring.ts'
import { Suspicion } from './suspicion.ts'
import type { Timing } from './timing.ts'
import { INCARNATION_MAX, LIVENESS, type Liveness, type Update } from './update.ts'

export interface RosterOptions {
  readonly self: { readonly id: NodeId; readonly incarnation: number; readonly facts: NodeFacts }
  readonly removed: Iterable<NodeId>
  readonly timing: Timing
  readonly random: Random
  readonly nowMs: number
  readonly onChange: (kind: MemberChangeKind, member: Member & { readonly facts: NodeFacts }) => void
  /** Told when this node had to contradict what others say of it, and whether they took it for slow or dead. */
  readonly onRefuted: (suspected: boolean) => void
  /** Told when somebody else goes by this node's id, with where that is. */
  readonly onTwin: (facts: NodeFacts) => void
  readonly onRefused: (why: 'full' | 'removed') => void
}

/** What this node knows of all nodes, and how news changes it. Words about one node are ordered by incarnation, then by
 *  strength (`LIVENESS`), and the greatest counts: so nodes that heard the same, in whatever order, know the same. An id
 *  that was removed is above everything. Every change is queued, to be told to others. */
export class Roster {
  readonly queue = new GossipQueue()
  /** The others that run. */
  readonly ring: ProbeRing<Member>
  readonly self: Member & { facts: NodeFacts }
  readonly #timing: Timing
  readonly #options: RosterOptions
  readonly #members = new Map<NodeId, Member>()
  readonly #suspicions = new Map<NodeId, Suspicion>()
  readonly #gone = new Set<Member>()
  readonly #removed: Set<NodeId>

  constructor(options: RosterOptions) {
    const { id, incarnation, facts } = options.self
    checkFacts(facts)
    this.#options = options
    this.#timing = options.timing
    this.ring = new ProbeRing(options.random)
    this.#removed = new Set(options.removed)
    if (this.#removed.size > REMOVED_MAX)
      throw new ShoalError('INVALID_ARGUMENT', `${this.#removed.size} removed ids are more than the ${REMOVED_MAX} that are kept`)
    this.self = { id, incarnation, liveness: 'alive', sinceMs: options.nowMs, facts, factsIncarnation: incarnation }
    this.#members.set(id, this.self)
    this.#tellSelf()
  }

  /** Those that run, this one included. */
  get running(): number {
    return this.ring.size + 1
  }

  get suspected(): number {
    return this.#suspicions.size
  }

  get removed(): ReadonlySet<NodeId> {
    return this.#removed
  }

  get(id: NodeId): Member | undefined {
    return this.#members.get(id)
  }

  members(): IterableIterator<Member> {
    return this.#members.values()
  }

  /** Dead, not left: they may come back at any moment. */
  dead(): Member[] {
    return [...this.#gone].filter((member) => member.liveness === 'dead' && isShown(member))
  }

  /** What `member` itself should hear first, so that it can contradict; `undefined` if all is well. */
  wordOn({ id, liveness, incarnation }: Member): Update | undefined {
    if (liveness === 'alive') return undefined
    return liveness === 'suspect' ? { kind: liveness, id, incarnation, from: this.self.id } : { kind: liveness, id, incarnation }
  }

  /** News as it came with a packet. */
  apply(update: Update, nowMs: number): void {
    if (update.kind === 'removed') {
      this.remove(update.id)
      return
    }
    const { id, incarnation } = update
    if (id === this.self.id) {
      this.#hearOfSelf(update.kind, incarnation, update.kind === 'alive' ? update.facts : undefined)
      return
    }
    if (this.#removed.has(id)) {
      this.#options.onRefused('removed')
      return
    }
    if (update.kind === 'alive') this.#hearAlive(id, incarnation, update.facts, nowMs)
    else if (update.kind === 'suspect') this.suspect({ id, incarnation, by: update.from }, nowMs)
    else this.#hearEnd({ id, incarnation, liveness: update.kind }, nowMs)
  }

  /** What another node knew when two whole states were exchanged. Of a node that runs here and is dead there, this node
   *  isn't sure yet: it may have been that one that was cut off, so the node gets the time to contradict. */
  applyState(state: MemberState, { from, nowMs }: { from: NodeId; nowMs: number }): void {
    const { id, incarnation, liveness, goneForMs, facts, factsIncarnation } = state
    if (this.#removed.has(id)) return
    if (id === this.self.id) {
      this.#hearOfSelf(liveness, incarnation, facts)
      return
    }
    const isGone = liveness === 'dead' || liveness === 'left'
    const known = this.#members.get(id)
    if (isGone && known === undefined) {
      this.#rememberGone(state, nowMs)
      return
    }
    if (!isGone && facts !== undefined) this.#hearAlive(id, factsIncarnation, facts, nowMs)
    if (liveness === 'suspect') this.suspect({ id, incarnation, by: from }, nowMs)
    if (isGone && known !== undefined) {
      if (liveness === 'dead' && isRunning(known)) this.suspect({ id, incarnation, by: from }, nowMs)
      else this.#hearEnd({ id, incarnation, liveness }, nowMs - goneForMs)
    }
  }

  /** `by` could not reach the node. */
  suspect({ id, incarnation, by }: { id: NodeId; incarnation: number; by: NodeId }, nowMs: number): void {
    const member = this.#members.get(id)
    // Of a node that isn't known, or known to be gone, it says nothing; of a later life of that node it says that there is one.
    if (member === undefined || !isShown(member)) return
    if (incarnation < member.incarnation + (isRunning(member) ? 0 : 1)) return
    const suspicion = this.#suspicions.get(id)
    if (suspicion !== undefined && suspicion.incarnation === incarnation) {
      if (suspicion.confirm(by)) this.queue.add({ kind: 'suspect', id, incarnation, from: by })
      return
    }
    this.#suspicions.set(id, new Suspicion({ incarnation, by, nowMs, nodes: this.running, timing: this.#timing }))
    this.#set(member, { liveness: 'suspect', incarnation }, nowMs)
    this.queue.add({ kind: 'suspect', id, incarnation, from: by })
  }

  /** When the next suspicion becomes certainty, or `Infinity`. */
  nextExpiryMs(): number {
    let nextMs = Number.POSITIVE_INFINITY
    const witnesses = this.#witnesses()
    for (const suspicion of this.#suspicions.values()) nextMs = Math.min(nextMs, suspicion.deadlineMs(witnesses))
    return nextMs
  }

  /** Declares those dead whose time is up. */
  expire(nowMs: number): void {
    const witnesses = this.#witnesses()
    for (const [id, suspicion] of [...this.#suspicions])
      if (suspicion.deadlineMs(witnesses) <= nowMs)
        this.#hearEnd({ id, incarnation: suspicion.incarnation, liveness: 'dead' }, nowMs)
  }

  /** Forgets those whose end is longer ago than they are remembered. */
  reap(nowMs: number): void {
    for (const member of this.#gone) if (nowMs - member.sinceMs >= this.#timing.goneRetentionMs) this.#forget(member, 'forgotten')
  }

  /** Takes an id away from its node, for ever. False if it was before, or there is no room to remember it. */
  remove(id: NodeId): boolean {
    if (this.#removed.has(id)) return false
    if (this.#removed.size >= REMOVED_MAX) {
      this.#options.onRefused('full')
      return false
    }
    this.#removed.add(id)
    const member = this.#members.get(id)
    if (id === this.self.id) this.#emit('removed', this.self)
    else if (member !== undefined) this.#forget(member, 'removed')
    this.queue.add({ kind: 'removed', id })
    return true
  }

  /** Says something new of this node. @throws INVALID_ARGUMENT */
  updateFacts(changes: Partial<NodeFacts>): void {
    const facts = { ...this.self.facts, ...changes }
    checkFacts(facts)
    this.self.facts = facts
    this.#raise(this.self.incarnation)
    this.#emit('updated', this.self)
  }

  leave(nowMs: number): void {
    this.self.liveness = 'left'
    this.self.sinceMs = nowMs
    this.queue.forget(this.self.id)
    this.queue.add({ kind: 'left', id: this.self.id, incarnation: this.self.incarnation })
    this.#emit('left', this.self)
  }

  /** Keeps to itself what it has heard so far: the cluster that it has just come into knows that already. */
  dropNewsOfOthers(): void {
    this.queue.clear()
    this.#tellSelf()
  }

  #witnesses(): number {
    return Math.max(0, this.running - 1 - this.#suspicions.size)
  }

  #hearAlive(id: NodeId, incarnation: number, facts: NodeFacts, nowMs: number): void {
    const member = this.#members.get(id) ?? this.#admit(id, nowMs)
    if (member === undefined || incarnation <= member.factsIncarnation) return
    const isOther = isShown(member) && !areSameFacts(member.facts, facts)
    member.facts = facts
    member.factsIncarnation = incarnation
    if (incarnation > member.incarnation) {
      const before = member.liveness
      this.#suspicions.delete(id)
      this.queue.forgetSaid(id)
      this.#set(member, { liveness: 'alive', incarnation }, nowMs)
      if (before === 'alive' && isOther) this.#emit('updated', member)
    } else if (isOther) this.#emit('updated', member)
    if (isRunning(member)) this.queue.add({ kind: 'alive', id, incarnation, facts })
  }

  #hearEnd({ id, incarnation, liveness }: { id: NodeId; incarnation: number; liveness: 'dead' | 'left' }, nowMs: number): void {
    // An end that comes before what it is the end of is kept, so that the node doesn't seem to run afterwards.
    const member = this.#members.get(id) ?? this.#admit(id, nowMs)
    if (member === undefined || !isStronger(member, liveness, incarnation)) return
    this.#suspicions.delete(id)
    this.#set(member, { liveness, incarnation }, nowMs)
    // What it said before would only seem to bring it back, to those who hear that first.
    this.queue.forget(id)
    this.queue.add({ kind: liveness, id, incarnation })
  }

  /** Somebody else's dead are no news, and are forgotten when they would be there. */
  #rememberGone({ id, incarnation, liveness, goneForMs, facts, factsIncarnation }: MemberState, nowMs: number): void {
    if (goneForMs >= this.#timing.goneRetentionMs || this.#members.size >= MEMBERS_MAX) return
    const member: Member = { id, incarnation, liveness, sinceMs: nowMs - goneForMs, facts, factsIncarnation }
    this.#members.set(id, member)
    this.#gone.add(member)
  }

  /** Room for a node that isn't known yet; the one that is gone for longest makes it if need be. */
  #admit(id: NodeId, nowMs: number): Member | undefined {
    if (this.#members.size >= MEMBERS_MAX) {
      const oldest = [...this.#gone].reduce<Member | undefined>(
        (a, b) => (a !== undefined && a.sinceMs <= b.sinceMs ? a : b),
        undefined,
      )
      if (oldest === undefined) {
        this.#options.onRefused('full')
        return undefined
      }
      this.#forget(oldest, 'forgotten')
    }
    const member: Member = { id, incarnation: -1, liveness: 'dead', sinceMs: nowMs, facts: undefined, factsIncarnation: -1 }
    this.#members.set(id, member)
    this.#gone.add(member)
    return member
  }

  #set(member: Member, { liveness, incarnation }: { liveness: Liveness; incarnation: number }, nowMs: number): void {
    const before = member.liveness
    member.incarnation = incarnation
    if (before === liveness && this.ring.has(member) === isRunning(member)) return
    if (before !== liveness) member.sinceMs = nowMs
    member.liveness = liveness
    if (isRunning(member)) {
      const isBack = !this.ring.has(member)
      this.ring.add(member)
      this.#gone.delete(member)
      this.#emit(isBack ? 'joined' : liveness === 'suspect' ? 'suspected' : 'cleared', member)
      return
    }
    this.ring.remove(member)
    this.#gone.add(member)
    this.#emit(liveness === 'left' ? 'left' : 'died', member)
  }

  #forget(member: Member, kind: 'removed' | 'forgotten'): void {
    this.#members.delete(member.id)
    this.#suspicions.delete(member.id)
    this.#gone.delete(member)
    this.ring.remove(member)
    this.queue.forget(member.id)
    this.#emit(kind, member)
  }

  /** Somebody says something of this node. Whatever is stronger than what it says itself, it has to top. */
  #hearOfSelf(liveness: Liveness, incarnation: number, facts: NodeFacts | undefined): void {
    const { self } = this
    if (this.#removed.has(self.id) || !isNews(self, { liveness, incarnation, facts })) return
    if (facts !== undefined && liveness === 'alive' && (facts.host !== self.facts.host || facts.nodePort !== self.facts.nodePort))
      this.#options.onTwin(facts)
    if (self.liveness === 'left') {
      self.incarnation = Math.max(self.incarnation, Math.min(incarnation, INCARNATION_MAX))
      this.queue.add({ kind: 'left', id: self.id, incarnation: self.incarnation })
      return
    }
    this.#raise(incarnation)
    this.#options.onRefuted(liveness === 'suspect' || liveness === 'dead')
  }

  #raise(above: number): void {
    this.self.incarnation = Math.min(INCARNATION_MAX, above + 1)
    this.self.factsIncarnation = this.self.incarnation
    this.queue.forgetSaid(this.self.id)
    this.#tellSelf()
  }

  #tellSelf(): void {
    const { id, incarnation, facts } = this.self
    this.queue.add({ kind: 'alive', id, incarnation, facts })
  }

  #emit(kind: MemberChangeKind, member: Member): void {
    if (isShown(member)) this.#options.onChange(kind, member)
  }
}

/** Whether the word is above what is known. */
function isStronger(member: Member, liveness: Liveness, incarnation: number): boolean {
  if (incarnation !== member.incarnation) return incarnation > member.incarnation
  return LIVENESS.indexOf(liveness) > LIVENESS.indexOf(member.liveness)
}

/** Whether others know of this node what it isn't: also other facts of the incarnation it is in. */
function isNews(
  self: Member & { facts: NodeFacts },
  { liveness, incarnation, facts }: { liveness: Liveness; incarnation: number; facts: NodeFacts | undefined },
): boolean {
  if (isStronger(self, liveness, incarnation)) return true
  return liveness === 'alive' && incarnation === self.incarnation && facts !== undefined && !areSameFacts(facts, self.facts)
}
