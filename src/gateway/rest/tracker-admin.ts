import type { BudgetDocument, DrainDocument, TrackerDocument, TrackerTask } from './tracker-schemas.ts'

/** What the REST door can ask of the tracker. Every call fails with UNAVAILABLE on a node where it doesn't run. */
export interface TrackerAdmin {
  status(): Promise<TrackerDocument>
  /** How far the drain of a node is, and what keeps it from its end. @throws NOT_FOUND; CONFLICT if it isn't to be drained */
  drain(node: string): Promise<DrainDocument>
  /** Without a task: all. Nothing of it begins once the promise has resolved, until it is resumed. */
  pause(task: TrackerTask | undefined): Promise<void>
  resume(task: TrackerTask | undefined): Promise<void>
  /** Begins a walk, unless one is under way. A dry run goes beside it and changes nothing. */
  run(task: TrackerTask, options: { readonly isDryRun: boolean; readonly budget: BudgetDocument | undefined }): Promise<void>
}
