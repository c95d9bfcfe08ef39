import { dueMs, type PendingUnit } from './pending-unit.ts'

/** Units that wait for no other one, in the order in which that came to be. */
export class ReadyUnits {
  readonly #units = new Set<PendingUnit>()

  add(unit: PendingUnit): void {
    this.#units.add(unit)
  }

  delete(unit: PendingUnit): void {
    this.#units.delete(unit)
  }

  /** Takes out those that are to be sent now, in their order. None where fewer than `atLeast` are, unless somebody waits for one. */
  take(nowMs: number, { atLeast, atMost }: { readonly atLeast: number; readonly atMost: number }): PendingUnit[] {
    const taken: PendingUnit[] = []
    let isUrgent = false
    for (const unit of this.#units) {
      if (taken.length >= atMost) break
      if (dueMs(unit) > nowMs) continue
      taken.push(unit)
      isUrgent ||= unit.isUrgent
    }
    if (taken.length < atLeast && !isUrgent) return []
    for (const unit of taken) {
      unit.isSent = true
      this.#units.delete(unit)
    }
    return taken
  }

  /** When the next one is to be sent. */
  nextMs(): number | undefined {
    let next: number | undefined
    for (const unit of this.#units) next = Math.min(next ?? Infinity, dueMs(unit))
    return next
  }
}
