import { z } from 'zod'
import { LEASE_MS_MAX, LEASE_MS_MIN } from '#volume/file-locks.ts'

// Sessions of mounts and their locks. Offsets go up to 2^63 - 1, and are text therefore.

/** A long poll stays within what proxies and clients take for silence. */
export const WAIT_MS_MAX = 20_000

const OffsetText = z
  .string()
  .regex(/^\d{1,19}$/, 'expected a whole number of bytes, as text')
  .transform(BigInt)
  .refine((offset) => offset < 2n ** 63n, 'a file has no byte beyond 2^63 - 1')
  .meta({ description: 'First or last byte, in decimal; 9223372036854775807 is the end of any file' })
const InodeSchema = z.int().min(1)
const FamilySchema = z.enum(['flock', 'posix']).meta({ description: 'flock(2) and fcntl(2) know nothing of each other' })
const OwnerSchema = z.string().regex(/^[0-9a-f]{16}$/)
const KindSchema = z.enum(['read', 'write'])
const PidSchema = z.int().min(0).max(0xffff_ffff)

export const BeginSessionSchema = z.strictObject({
  mount: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .meta({ description: 'Names the mount, over all its sessions' }),
  about: z.string().default('').meta({ description: 'To be shown' }),
  leaseMs: z.int().min(LEASE_MS_MIN).max(LEASE_MS_MAX).default(30_000),
})

export const SessionSchema = z.object({ session: z.string(), leaseMs: z.int() })

const range = { start: OffsetText, end: OffsetText }

export const LockRequestSchema = z
  .strictObject({
    inode: InodeSchema,
    family: FamilySchema,
    owner: OwnerSchema.meta({ description: 'Whose lock it is within the session' }),
    kind: z.enum(['read', 'write', 'unlock']),
    ...range,
    pid: PidSchema.default(0),
    ticket: z.string().min(1).max(64).optional().meta({ description: 'Names the wait: given again, one is still in its place' }),
    waitMs: z
      .int()
      .min(0)
      .max(WAIT_MS_MAX)
      .optional()
      .meta({ description: 'With `ticket`: for how long the answer may be put off' }),
  })
  .refine(({ start, end }) => start <= end, 'the last byte lies before the first one')

export const LockQuerySchema = z.strictObject({
  inode: z.coerce.number().int().min(1),
  family: FamilySchema,
  owner: OwnerSchema,
  kind: KindSchema,
  ...range,
})

export const CancelLockSchema = z.strictObject({
  ...LockQuerySchema.shape,
  inode: InodeSchema,
  ticket: z.string().min(1).max(64),
})

const HeldLockSchema = z.object({
  kind: KindSchema,
  start: z.string(),
  end: z.string(),
  pid: z.int(),
  isOwnSession: z.boolean(),
})

export const LockAnswerSchema = z.object({
  state: z.enum(['done', 'held', 'waiting']),
  /** The file as it is now. */
  etag: z.string().optional(),
  ctime: z.string().optional(),
  by: HeldLockSchema.optional(),
})

export const FoundLockSchema = z.object({ lock: HeldLockSchema.nullable() })

export const CancelAnswerSchema = z.object({ isHeld: z.boolean() })
