import { assert } from '#foundation/assert.ts'
import type { Assignment } from './assignment.ts'
import { AssignmentSearch } from './assignment-search.ts'
import { AugmentingPaths } from './augmenting-paths.ts'

/** Turns the assignment into one where nobody has too much, at least cost: successive shortest paths (Ahuja, Magnanti, Orlin, "Network
 *  Flows", 9.7), many of one length at a time. */
export function settleAssignment(assignment: Assignment): void {
  const search = new AssignmentSearch(assignment)
  while (search.hasExcess()) {
    const target = search.label()
    const paths = new AugmentingPaths(assignment, search, target)
    let found = 0
    for (const source of search.sources()) while (search.exceeds(source) && paths.augment(source)) found += 1
    assert(found > 0, 'a shortest path can be followed')
  }
}
