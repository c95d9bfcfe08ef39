import { z } from 'zod'

// What the calls about the tracker carry.

const TRACKER_TASKS = ['repair', 'drain', 'rebalance', 'collect', 'scrub', 'trim'] as const
const TrackerTaskSchema = z.enum(TRACKER_TASKS)
export type TrackerTask = z.output<typeof TrackerTaskSchema>

const BudgetSchema = z
  .strictObject({
    bytesPerSecond: z.int().positive().optional(),
    opsPerSecond: z.number().positive().optional(),
    share: z.number().positive().max(1).optional().meta({ description: 'The part of the time in which it may do anything' }),
  })
  .meta({ description: 'What a task may use; without a limit where none is given' })
export type BudgetDocument = z.output<typeof BudgetSchema>

/** Without a task: all of them. */
export const TrackerTaskChoiceSchema = z.strictObject({ task: TrackerTaskSchema.optional() })

export const TrackerRunSchema = z.strictObject({
  task: TrackerTaskSchema,
  dryRun: z.boolean().optional().meta({ description: 'Only count what would be done' }),
  budget: BudgetSchema.optional().meta({ description: 'From now on; what it was stays unless given' }),
})

export const TrackerSchema = z.object({
  since: z.string().meta({ description: 'When this node began to lead' }),
  waitingRepairs: z.int(),
  tasks: z.array(
    z.object({
      task: TrackerTaskSchema,
      dryRun: z.boolean(),
      activity: z.string().meta({ description: 'paused, running, waiting or idle' }),
      walk: z.int().meta({ description: 'How often it has gone through all chunks, this time included' }),
      complete: z.boolean().meta({ description: 'Nothing was left for later' }),
      started: z.string().nullable(),
      finished: z.string().nullable(),
      progress: z.object({
        fraction: z.number(),
        chunksPerSecond: z.number(),
        bytesPerSecond: z.number(),
        chunks: z.int().nullable().meta({ description: 'How many there are, about' }),
        secondsLeft: z.number().nullable(),
      }),
      counters: z.record(z.string(), z.int()),
      budget: BudgetSchema,
    }),
  ),
  decisions: z.array(
    z.object({
      time: z.string(),
      task: TrackerTaskSchema,
      dryRun: z.boolean(),
      kind: z.string(),
      chunk: z.string().optional(),
      from: z.string().optional(),
      to: z.string().optional(),
      layout: z.string().optional(),
    }),
  ),
})
export type TrackerDocument = z.output<typeof TrackerSchema>

export const DrainSchema = z.object({
  node: z.string(),
  chunks: z.int().nullable().meta({ description: 'What the node has; null if it does not answer' }),
  bytes: z.int().nullable(),
  left: z
    .object({ chunks: z.int(), bytes: z.int() })
    .nullable()
    .meta({ description: 'How much of that is not known yet to be elsewhere, about; null where that is not known' }),
  activity: z.string().meta({ description: 'Of the task that drains: paused, running, waiting or idle' }),
  bytesPerSecond: z.number(),
  secondsLeft: z.number().nullable(),
  hindrances: z.array(z.string()).meta({ description: 'What keeps it from its end, for people to read' }),
})
export type DrainDocument = z.output<typeof DrainSchema>
