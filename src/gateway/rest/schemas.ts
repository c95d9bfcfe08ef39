import { z } from 'zod'
import { TrackerSchema } from './tracker-schemas.ts'
import { FILE_TYPES } from '#metadata/attributes.ts'
import { ClassSchema } from './class-schemas.ts'
import { NodeSchema } from './node-schemas.ts'

// What crosses the wire, once: requests are checked with these, and the OpenAPI document is made from them.

export const ModeSchema = z
  .string()
  .regex(/^0?o?[0-7]{1,4}$/, 'expected permission bits in octal, such as "0644"')
  .transform((text) => Number.parseInt(text.replace('o', ''), 8))
  .meta({ description: 'Permission bits in octal' })

const TimestampText = z
  .string()
  .max(60)
  .meta({ description: 'RFC 3339, or nanoseconds since 1970', examples: ['2026-11-20T12:00:00.123456789Z'] })
const PathText = z.string().meta({ description: "Relative to the volume's root" })
/** What a user or group id can be: 32 bits, less the value that chown takes for "leave it". */
const OwnerSchema = z.int().min(0).max(0xffff_fffe)
const SizeSchema = z.int().min(0)

/** Of a strong volume; the door of a node that doesn't lead looks at it. */
export const StaleSchema = z.literal('stale').optional().meta({
  description: 'Satisfied with what was so up to 10 s ago, which any node can answer without asking others',
})
/** A parameter that switches something on: `?force`, `?force=true`. */
export const FlagSchema = z.enum(['', 'true', 'false', '1', '0']).transform((text) => text !== 'false' && text !== '0')
export const LimitSchema = z.coerce.number().int().min(1).max(10_000)
export const OffsetSchema = z
  .string()
  .regex(/^\d{1,15}$/, 'expected a whole number of bytes')
  .transform(Number)

export const EntrySchema = z.object({
  path: z.string(),
  name: z.string(),
  type: z.enum(FILE_TYPES),
  inode: z.int(),
  size: z.int(),
  occupied: z.int().optional().meta({ description: 'Of a file that takes more or less than its length' }),
  mode: z.string(),
  uid: z.int(),
  gid: z.int(),
  links: z.int(),
  mtime: z.string(),
  atime: z.string(),
  ctime: z.string(),
  btime: z.string(),
  etag: z.string(),
  sha256: z.string().optional(),
  rdev: z.int(),
  hasXattrs: z.boolean().optional(),
  target: z.string().optional(),
  xattrs: z.record(z.string(), z.string()).optional(),
})

export const VolumeSchema = z.object({
  name: z.string(),
  id: z.int(),
  consistency: z.string(),
  class: z.string(),
  chunkSizeBytes: z.int(),
  quotaBytes: z.int().nullable(),
  quotaFiles: z.int().nullable(),
  durability: z.string(),
  versioning: z.string(),
  onConflict: z.string().optional().meta({ description: 'Of an eventual volume' }),
  keep: z.string().optional().meta({ description: 'Of an eventual volume' }),
  usage: z.object({ bytes: z.int(), files: z.int() }),
  created: z.string(),
})

export const VolumeListSchema = z.object({
  volumes: z.array(VolumeSchema),
  /** Volumes that only a node knows which can't be reached. */
  missing: z.enum(['strong']).optional(),
})

export const PolicySchema = z.strictObject({
  consistency: z.enum(['strong', 'eventual']).optional(),
  class: z.string().min(1).max(63).optional(),
  chunkSizeBytes: z.int().positive().optional(),
  quotaBytes: SizeSchema.nullable().optional(),
  quotaFiles: SizeSchema.nullable().optional(),
  durability: z.enum(['durable']).optional(),
  versioning: z.enum(['off', 'enabled', 'suspended']).optional(),
  onConflict: z
    .enum(['keep', 'keep-both', 'cas'])
    .optional()
    .meta({ description: 'Of an eventual volume: what becomes of a concurrent write that loses' }),
  keep: z
    .enum(['class', 'everywhere'])
    .optional()
    .meta({ description: 'Of an eventual volume: `everywhere` lets each node end with every file' }),
})

export const KeySchema = z.object({
  accessKey: z.string(),
  secretKey: z.string().optional().meta({ description: 'Where it was just made' }),
  principal: z.string(),
  description: z.string(),
  enabled: z.boolean(),
  created: z.string(),
  rotated: z.string().meta({ description: 'When the secret was last changed' }),
})

export const KeyListSchema = z.object({ keys: z.array(KeySchema.omit({ secretKey: true })) })

const KeyName = z.string().regex(/^[\w.@-]{3,128}$/, 'expected 3 to 128 letters, digits, ".", "-", "_" or "@"')
const KeyDescription = z.string().max(200)

export const KeyToMakeSchema = z.strictObject({
  principal: KeyName.optional().meta({ description: 'Whose the key is; "root" unless given' }),
  description: KeyDescription.optional(),
  accessKey: KeyName.optional().meta({ description: 'Made at random unless given' }),
  secretKey: z
    .string()
    .regex(/^[\x21-\x7e]{8,128}$/, 'expected 8 to 128 printable ASCII characters without spaces')
    .optional()
    .meta({ description: 'Made at random unless given' }),
})

export const KeyChangesSchema = z.strictObject({ enabled: z.boolean().optional(), description: KeyDescription.optional() })

export const ListingSchema = z.object({ entries: z.array(EntrySchema), next: z.string().optional() })

const CopyStateSchema = z.enum([
  'uploading',
  'need-replication',
  'replication-out',
  'replication-in',
  'stored',
  'to-delete',
  'corrupt',
  'missing',
])

export const LocationsSchema = z.object({
  path: z.string(),
  size: z.int(),
  extents: z.array(
    z.object({
      offset: z.int(),
      length: z.int(),
      kind: z.enum(['inline', 'chunk', 'hole']),
      chunk: z.string().optional(),
      nodes: z.array(z.string()),
      copies: z
        .array(z.object({ node: z.string(), state: CopyStateSchema }))
        .optional()
        .meta({ description: 'Of a chunk: each copy, also those on their way' }),
      state: CopyStateSchema,
    }),
  ),
})

/** Shorter ones are sent sooner than named. */
const HANDED_PIECES_MAX = 1024

export const PartSchema = z.object({ number: z.int(), size: z.int(), sha256: z.string() })
export const UploadSchema = z.object({
  id: z.string(),
  path: z.string(),
  started: z.string(),
  expires: z.string(),
  parts: z.array(PartSchema),
  handed: z
    .string()
    .optional()
    .meta({ description: 'Told over loopback when it begins: the folder in which files can be handed over' }),
})
/** The bytes of a part, one after another, in files that lie in that folder. */
export const TakePartSchema = z.strictObject({
  pieces: z
    .array(
      z.strictObject({
        file: z.string().regex(/^[0-9a-f]{32}$/, 'expected 32 hexadecimal characters'),
        offset: z.int().nonnegative(),
        length: z.int().positive(),
      }),
    )
    .min(1)
    .max(HANDED_PIECES_MAX),
})
export const UploadListSchema = z.object({ uploads: z.array(UploadSchema), next: z.string().optional() })

export const BeginUploadSchema = z.strictObject({
  path: PathText,
  mode: ModeSchema.optional(),
  uid: OwnerSchema.optional(),
  gid: OwnerSchema.optional(),
  mtime: TimestampText.optional(),
  parents: z.boolean().optional(),
  ifMatch: z.string().optional(),
  ifNoneMatch: z.string().optional(),
})

export const CommitUploadSchema = z.strictObject({
  size: SizeSchema.optional(),
  sha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, 'expected 64 hexadecimal characters')
    .optional(),
})

const XattrsSchema = z.record(z.string(), z.base64().nullable()).meta({ description: 'Base64 by name; null removes' })

/** An entity tag as Shoal makes them. */
const TagText = z.string().regex(/^"[0-9a-f]+-[0-9a-f]+"$/, 'expected an entity tag in its quotes')

export const OperationSchema = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('mkdir'), parents: z.boolean().optional(), mode: ModeSchema.optional() }),
  z.strictObject({
    op: z.literal('move'),
    to: PathText,
    mode: z.enum(['replace', 'no-replace', 'exchange']).optional(),
    parents: z.boolean().optional(),
    ifMatch: TagText.optional().meta({ description: 'The entity tag of what it replaces' }),
    ifNoneMatch: z.literal('*').optional(),
  }),
  z.strictObject({
    op: z.literal('copy'),
    to: PathText,
    recursive: z.boolean().optional(),
    replace: z.boolean().optional(),
    parents: z.boolean().optional(),
  }),
  z.strictObject({ op: z.literal('link'), to: PathText }),
  z.strictObject({ op: z.literal('symlink'), target: z.string().min(1) }),
  z.strictObject({
    op: z.literal('mknod'),
    type: z.enum(FILE_TYPES),
    mode: ModeSchema.optional(),
    rdev: z.int().min(0).optional(),
  }),
  z.strictObject({
    op: z.literal('attributes'),
    mode: ModeSchema.optional(),
    uid: OwnerSchema.optional(),
    gid: OwnerSchema.optional(),
    mtime: TimestampText.optional(),
    atime: TimestampText.optional(),
    xattrs: XattrsSchema.optional(),
  }),
  z.strictObject({ op: z.literal('truncate'), size: SizeSchema, ifMatch: TagText.optional() }),
  z.strictObject({ op: z.literal('punch'), offset: SizeSchema, length: SizeSchema }),
  z.strictObject({ op: z.literal('reserve'), offset: SizeSchema, length: SizeSchema, keepsSize: z.boolean().optional() }),
  z.strictObject({
    op: z.literal('copy-range'),
    from: PathText,
    fromOffset: SizeSchema.optional(),
    offset: SizeSchema.optional(),
    length: SizeSchema,
  }),
])
export type Operation = z.output<typeof OperationSchema>

export const BatchHeaderSchema = z.strictObject({
  path: PathText,
  size: SizeSchema.optional(),
  mode: ModeSchema.optional(),
  uid: OwnerSchema.optional(),
  gid: OwnerSchema.optional(),
  mtime: TimestampText.optional(),
  sha256: z
    .string()
    .regex(/^[0-9a-fA-F]{64}$/, 'expected 64 hexadecimal characters')
    .optional(),
  type: z.enum(['file', 'directory', 'symlink', 'removal', 'attributes']).optional(),
  target: z.string().min(1).optional(),
  atime: TimestampText.optional(),
  parents: z.boolean().optional().meta({ description: 'false refuses to make missing directories' }),
  ifMatch: TagText.optional().meta({ description: 'Of a file: the entity tag of what it replaces' }),
  ifNoneMatch: z.literal('*').optional(),
  inode: z.int().min(1).optional().meta({ description: 'Of a removal: another inode stays' }),
  entry: z.boolean().optional().meta({ description: 'The answer has the entry' }),
})
export type BatchHeader = z.output<typeof BatchHeaderSchema>

const VersionSchema = z.object({
  id: z.string(),
  time: z.string(),
  node: z.string(),
  removed: z.boolean(),
  size: z.int().optional(),
  sha256: z.string().optional(),
})
export const ConflictSchema = z.object({
  path: z.string(),
  versions: z.array(VersionSchema).meta({ description: 'The one that won first' }),
})
export const ConflictListSchema = z.object({ conflicts: z.array(ConflictSchema), next: z.string().optional() })
export const SettleConflictSchema = z.strictObject({ op: z.enum(['restore', 'drop']), version: z.string().min(1).max(80) })

export const FsckSchema = z.strictObject({ repair: z.boolean().optional(), verify: z.boolean().optional() })

export const StatusSchema = z.object({
  version: z.string(),
  nodeId: z.string(),
  clusterId: z.string(),
  startedAt: z.string(),
  uptimeSeconds: z.number(),
  state: z.string(),
  volumes: z.int(),
  usage: z.object({ bytes: z.int(), files: z.int() }),
  chunks: z.object({ chunks: z.int(), liveBytes: z.int(), storedBytes: z.int(), capacityBytes: z.int(), freeBytes: z.int() }),
  garbage: z.object({ chunks: z.int(), hasMore: z.boolean() }),
  uploads: z.int(),
  changes: z.object({ cursor: z.string() }),
  clocks: z
    .array(z.object({ nodeId: z.string(), aheadMs: z.int() }))
    .meta({ description: 'Nodes whose clocks differ from that of this one by more than half a second' }),
  metadata: z.object({
    mode: z.enum(['home', 'managed', 'external']),
    leader: z.string().optional(),
    position: z.int().optional(),
    stale: z.boolean().optional().meta({
      description:
        'Nobody can say what is the newest: volumes, usage, garbage, uploads and changes are as the node saw them last',
    }),
    problem: z
      .string()
      .optional()
      .meta({ description: 'Why etcd does not answer this node, or why this node takes no more of the metadata' }),
    members: z
      .array(z.object({ name: z.string(), role: z.enum(['voter', 'learner']), healthy: z.boolean(), leader: z.boolean() }))
      .optional(),
  }),
  eventual: z
    .object({
      volumes: z.int(),
      members: z.int(),
      rumours: z.int().meta({ description: 'News that this node still tells' }),
      conflicts: z.int(),
      removals: z.int().meta({ description: 'Removals that are still remembered' }),
      oldestDifferenceSeconds: z
        .number()
        .optional()
        .meta({ description: 'This node has everything that was written anywhere before; left out while that is not known' }),
      lastExchanges: z.record(z.string(), z.string()).meta({ description: 'By node, when everything was last compared with it' }),
    })
    .optional(),
})
export type StatusDocument = z.output<typeof StatusSchema>

export const ChangeSchema = z.object({
  cursor: z.string(),
  time: z.string(),
  kind: z.string(),
  volume: z.string(),
  path: z.string(),
  from: z.string().optional(),
  type: z.enum(FILE_TYPES).optional(),
  inode: z.int().optional(),
  parent: z.int().optional(),
  fromParent: z.int().optional(),
  etag: z.string().optional().meta({ description: 'Of an eventual volume: of what is there now' }),
  by: z.string(),
})

export const ProblemSchema = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  code: z.string(),
  detail: z.string(),
  requestId: z.string(),
})

/** The schemas that get a name of their own in the OpenAPI document. */
export const NAMED_SCHEMAS: Readonly<Record<string, z.ZodType>> = {
  Entry: EntrySchema,
  Volume: VolumeSchema,
  Policy: PolicySchema,
  AccessKey: KeySchema,
  Node: NodeSchema,
  Class: ClassSchema,
  Listing: ListingSchema,
  Locations: LocationsSchema,
  Upload: UploadSchema,
  Part: PartSchema,
  Operation: OperationSchema,
  BatchHeader: BatchHeaderSchema,
  Status: StatusSchema,
  Change: ChangeSchema,
  Tracker: TrackerSchema,
  Problem: ProblemSchema,
}
