import type { ChunkPlan } from './task-kind.ts'
import type { Decision } from './task-store.ts'

/** A plan as what is put on record. Reading copies is no decision. */
export function decisionsOf(plan: ChunkPlan, base: Pick<Decision, 'atMs' | 'task' | 'isDryRun'>): Decision[] {
  const { id: chunk, copyTo, replaceAt, removeFrom } = plan
  return [
    ...copyTo.map((to): Decision => ({ ...base, kind: 'copy', chunk, to })),
    ...replaceAt.map((to): Decision => ({ ...base, kind: 'replace', chunk, to })),
    ...removeFrom.map((from): Decision => ({ ...base, kind: 'remove', chunk, from })),
  ]
}
