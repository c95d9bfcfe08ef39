import { ShoalError } from '#foundation/errors.ts'

/** What a node does, in the order of their bits on the wire. */
export const NODE_ROLES = ['store', 'meta', 'gateway'] as const
export type NodeRole = (typeof NODE_ROLES)[number]

/** Whether a node takes new data, in the order of their numbers on the wire: with `storage-failed` it does not until it is started again. No
 *  node says the others of itself; what operators have decided is in the cluster's records. */
export const NODE_MODES = ['active', 'joining', 'storage-failed', 'draining'] as const
export type NodeMode = (typeof NODE_MODES)[number]

/** What a node says of itself. Only the node changes them, so they need no merging: the newest incarnation counts. */
export interface NodeFacts {
  /** Where the others reach it: an IP address (better: nothing to look up for each packet) or a DNS name. */
  readonly host: string
  /** Node to node: calls over TCP, gossip over UDP. */
  readonly nodePort: number
  /** For requests that are forwarded; 0 if it doesn't listen. */
  readonly restPort: number
  readonly s3Port: number
  readonly roles: readonly NodeRole[]
  readonly zone: string
  readonly capacityBytes: number
  readonly usedBytes: number
  /** The release of Shoal it runs. */
  readonly version: string
  /** The versions of the node-to-node protocol that it speaks. */
  readonly protocolMin: number
  readonly protocolMax: number
  /** How much of the data it is to get, in comparison with others of its capacity; 100 is usual. */
  readonly weightPercent: number
  readonly mode: NodeMode
}

/** The lengths keep an update below 450 bytes, so that two of them fit into any packet. */
const HOST = /^[A-Za-z0-9._:-]{1,253}$/
const ZONE = /^[A-Za-z0-9._-]{1,64}$/
const VERSION = /^[A-Za-z0-9._+-]{1,32}$/
export const PROTOCOL_MAX = 65_535
export const WEIGHT_PERCENT_MAX = 10_000

/** @throws INVALID_ARGUMENT that names the fact and its value */
export function checkFacts(facts: NodeFacts): void {
  const { host, zone, version, roles, mode } = facts
  if (!HOST.test(host)) fail('host', host, 'an IP address or a DNS name')
  if (!ZONE.test(zone)) fail('zone', zone, '1 to 64 letters, digits, dots, hyphens and underscores')
  if (!VERSION.test(version)) fail('version', version, 'at most 32 letters, digits, dots, hyphens, underscores and plus signs')
  checkNumber('nodePort', facts.nodePort, { min: 1, max: 65_535 })
  checkNumber('restPort', facts.restPort, { min: 0, max: 65_535 })
  checkNumber('s3Port', facts.s3Port, { min: 0, max: 65_535 })
  checkNumber('capacityBytes', facts.capacityBytes, { min: 0, max: Number.MAX_SAFE_INTEGER })
  checkNumber('usedBytes', facts.usedBytes, { min: 0, max: Number.MAX_SAFE_INTEGER })
  checkNumber('protocolMin', facts.protocolMin, { min: 0, max: facts.protocolMax })
  checkNumber('protocolMax', facts.protocolMax, { min: 0, max: PROTOCOL_MAX })
  checkNumber('weightPercent', facts.weightPercent, { min: 0, max: WEIGHT_PERCENT_MAX })
  if (!NODE_MODES.includes(mode)) fail('mode', mode, NODE_MODES.join(', '))
  if (roles.some((role) => !NODE_ROLES.includes(role)) || new Set(roles).size !== roles.length)
    fail('roles', roles.join(','), `each of ${NODE_ROLES.join(', ')} at most once`)
}

export function areSameFacts(a: NodeFacts, b: NodeFacts): boolean {
  if (a === b) return true
  const { roles: rolesA, ...restA } = a
  const { roles: rolesB, ...restB } = b
  const isSameRest = Object.entries(restA).every(([name, value]) => restB[name as keyof typeof restB] === value)
  return isSameRest && NODE_ROLES.every((role) => rolesA.includes(role) === rolesB.includes(role))
}

function checkNumber(name: string, value: number, { min, max }: { min: number; max: number }): void {
  if (!Number.isSafeInteger(value) || value < min || value > max) fail(name, value, `a whole number from ${min} to ${max}`)
}

function fail(name: string, value: string | number, expected: string): never {
  throw new ShoalError('INVALID_ARGUMENT', `The fact ${name} "${String(value).slice(0, 80)}" of a node is not ${expected}`)
}
