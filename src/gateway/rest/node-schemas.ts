import { z } from 'zod'

// What crosses the wire about nodes.

export const NodeSchema = z.object({
  id: z.string(),
  state: z
    .enum(['joining', 'alive', 'storage-failed', 'suspect', 'dead', 'left', 'draining', 'drained', 'readonly'])
    .meta({ description: 'storage-failed: it runs, and keeps nothing more until its disk is in order and it is started again' }),
  drained: z.number().nullable().meta({
    description:
      'Of one that is draining: the part of its chunks that is known to be elsewhere, 0 to 1; null where that is not known',
  }),
  since: z.string().meta({ description: 'How long it is alive, suspect, dead or gone, as far as the node that answers knows' }),
  self: z.boolean().meta({ description: 'Whether it is the node that answers' }),
  home: z.boolean().meta({ description: 'Whether the volumes are served from it' }),
  host: z.string(),
  nodePort: z.int(),
  restPort: z.int(),
  s3Port: z.int(),
  roles: z.array(z.string()),
  zone: z.string(),
  weight: z
    .number()
    .meta({ description: 'How much of the chunks it is to get, in comparison with others of its capacity; 1 is usual' }),
  clockAheadMs: z.int().nullable().meta({
    description:
      'How far its clock is ahead of that of the node that answers, or behind if below 0; null where that was not measured yet',
  }),
  capacityBytes: z.int(),
  usedBytes: z.int(),
  version: z.string(),
  incarnation: z.int().meta({ description: 'Greater after every start' }),
})
export type NodeDocument = z.output<typeof NodeSchema>

export const NodeWeightSchema = z.strictObject({
  weight: z.number().min(0).max(1000).meta({ description: '0, or 0.001 to 1,000' }),
})

export const NodeListSchema = z.object({ nodes: z.array(NodeSchema) })

export const JoinTokenToMakeSchema = z.strictObject({
  uses: z.int().min(1).max(1000).optional().meta({ description: 'How many nodes may join with it; 1 unless given' }),
  lifeSeconds: z
    .int()
    .min(60)
    .max(30 * 86_400)
    .optional()
    .meta({ description: 'How long it can be used; a day unless given' }),
})

export const JoinTokenSchema = z.object({ token: z.string(), expires: z.string(), uses: z.int() })
