import { ShoalError } from '#foundation/errors.ts'
import { COPIES_MAX } from './layout.ts'

export const ACKS = ['one', 'quorum', 'all'] as const
/** How many copies must be durable before a write is acknowledged: one, more than half, or all. */
export type Ack = (typeof ACKS)[number]

export const DURABILITIES = ['durable', 'relaxed'] as const
/** `durable`: a copy counts once it is flushed. `relaxed`: once its node has it in memory. */
export type Durability = (typeof DURABILITIES)[number]

/** A replication class: what a volume that names it gets. */
export interface ClassPolicy {
  readonly name: string
  readonly copies: number
  readonly ack: Ack
  /** The least number of zones the copies shall lie in. */
  readonly zones: number
  readonly durability: Durability
}

/** What a volume has that names no class. */
export const DEFAULT_CLASS: ClassPolicy = { name: 'default', copies: 1, ack: 'all', zones: 1, durability: 'durable' }

const NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/** A class from what a person gave. Without `ack` it is `quorum`, without `zones` 1, without `durability` `durable`.
 *  @throws INVALID_ARGUMENT that says everything that is wrong */
export function parseClassPolicy(given: {
  readonly name: string
  readonly copies: number
  readonly ack?: string | undefined
  readonly zones?: number | undefined
  readonly durability?: string | undefined
}): ClassPolicy {
  const { name, copies, zones = 1 } = given
  const ack = ACKS.find((known) => known === (given.ack ?? 'quorum'))
  const durability = DURABILITIES.find((known) => known === (given.durability ?? 'durable'))
  const problems: string[] = []
  if (!NAME.test(name)) {
    problems.push(`the name "${name}" must have 1 to 63 characters: a to z, 0 to 9, and "-" in between`)
  }
  if (!isWithin(copies, COPIES_MAX)) problems.push(`${copies} copies are not possible: 1 to ${COPIES_MAX} are`)
  if (ack === undefined) problems.push(`"${given.ack}" is no acknowledgement: ${ACKS.join(', ')} are`)
  if (!isWithin(zones, COPIES_MAX)) problems.push(`${zones} zones are not possible: 1 to ${COPIES_MAX} are`)
  else if (isWithin(copies, COPIES_MAX) && zones > copies) problems.push(`${copies} copies can't lie in ${zones} zones`)
  if (durability === undefined) problems.push(`"${given.durability}" is no durability: ${DURABILITIES.join(', ')} are`)
  if (ack === undefined || durability === undefined || problems.length > 0) {
    throw new ShoalError('INVALID_ARGUMENT', `Cannot make the class: ${problems.join('; ')}`)
  }
  return { name, copies, ack, zones, durability }
}

/** How many copies must be durable before a write is acknowledged. */
export function copiesToAcknowledge({ copies, ack }: Pick<ClassPolicy, 'copies' | 'ack'>): number {
  if (ack === 'one') return 1
  return ack === 'all' ? copies : Math.floor(copies / 2) + 1
}

function isWithin(value: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= 1 && value <= most
}
