import type { ShoalError } from '#foundation/errors.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { Candidate, Leader, SharedLog } from '#sharedlog/log.ts'
import type { CommitBase } from './commit-base.ts'
import type { GroupCommitOptions } from './group-commit.ts'
import type { LogEnd } from './quiet-time.ts'
import type { SnapshotSource } from './snapshot-transfer.ts'
import type { TrimLimits } from './trim-policy.ts'

export interface ReplicatedStoreOptions extends GroupCommitOptions {
  /** This node's own copy. It may have a state already when the log is founded, and must not otherwise. */
  readonly base: CommitBase
  /** Stays the caller's. */
  readonly log: SharedLog
  readonly clock: Clock
  readonly random: Random
  /** Under which name this node campaigns; without one it only follows. */
  readonly candidate?: Candidate | undefined
  readonly report?: Log
  /** For when the log no longer has what comes next here. */
  readonly snapshots?: SnapshotSource
  /** Where the log ends, by the word of the node that leads: its `leadersEnd`. Cheaper than the log's own, which is asked where that fails.
   *  @throws anything if there is no such word within a second or so */
  readonly askLeader?: ((leader: Leader) => Promise<LogEnd>) | undefined
  readonly keep?: TrimLimits
  /** Told when the base has failed, for good: what the log says is kept in memory from then on, as far as that goes, and this node should let
   *  another one lead. */
  readonly onFailure?: ((error: ShoalError) => void) | undefined
}
