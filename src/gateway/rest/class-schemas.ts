import { z } from 'zod'
import { ACKS, DURABILITIES } from '#placement/class-policy.ts'
import { COPIES_MAX } from '#placement/layout.ts'

export const ClassSchema = z.object({
  name: z.string(),
  copies: z.int(),
  ack: z.enum(ACKS),
  zones: z.int(),
  durability: z.enum(DURABILITIES),
  growsTo: z.int().nullable().meta({ description: 'The copies become as many as there are nodes with chunks, up to this' }),
  nodes: z.int().meta({ description: 'That may hold its chunks' }),
  placed: z.object({ copies: z.int(), zones: z.int() }).meta({ description: 'What each chunk can have now, at least' }),
  short: z.boolean().meta({ description: 'There are fewer nodes or zones than it asks for' }),
  moving: z.boolean().meta({ description: 'Chunks are on their way to other nodes' }),
  freeBytes: z
    .int()
    .nullable()
    .meta({ description: 'Of how much more contents there is room for, with all copies, as nodes have told last' }),
})

export const ClassListSchema = z.object({ classes: z.array(ClassSchema) })

const ClassSettings = z.strictObject({
  copies: z.int().min(1).max(COPIES_MAX).optional(),
  ack: z.enum(ACKS).optional(),
  zones: z.int().min(1).max(COPIES_MAX).optional(),
  durability: z.enum(DURABILITIES).optional(),
})

export const ClassToMakeSchema = ClassSettings.extend({ name: z.string().min(1).max(63), copies: z.int().min(1).max(COPIES_MAX) })
export const ClassChangesSchema = ClassSettings
