import { ShoalError } from '#foundation/errors.ts'
import { DEFAULT_CLASS, parseClassPolicy } from '#placement/class-policy.ts'
import type { ClassRecord, SystemEdit, SystemView } from './system-view.ts'

/** Each may need a layout of its own, of some 12 KiB and more. */
export const CLASSES_MAX = 64

/** What a person says of a class. */
export interface ClassSettings {
  readonly copies?: number | undefined
  readonly ack?: string | undefined
  readonly zones?: number | undefined
  readonly durability?: string | undefined
}

/** @throws NOT_FOUND */
export function findClass(view: SystemView, name: string): ClassRecord {
  const record = view.classes.get(name)
  if (record !== undefined) return record
  throw new ShoalError('NOT_FOUND', `There is no class "${name}"`)
}

/** @throws INVALID_ARGUMENT, ALREADY_EXISTS, UNSUPPORTED, QUOTA_EXCEEDED */
export function createClass(view: SystemView, name: string, settings: ClassSettings): SystemEdit {
  if (view.classes.has(name)) throw new ShoalError('ALREADY_EXISTS', `There is a class "${name}" already`)
  if (view.classes.size >= CLASSES_MAX) throw new ShoalError('QUOTA_EXCEEDED', `There can't be more than ${CLASSES_MAX} classes`)
  if (settings.copies === undefined) {
    throw new ShoalError('INVALID_ARGUMENT', `Cannot make the class "${name}": it must say how many copies it has`)
  }
  return put({ ...parse(name, { ...settings, copies: settings.copies }), growsTo: undefined })
}

/** A class whose copies were said doesn't grow any more. @throws NOT_FOUND, INVALID_ARGUMENT, UNSUPPORTED */
export function updateClass(view: SystemView, name: string, changes: ClassSettings): SystemEdit {
  const before = findClass(view, name)
  const { copies = before.copies, ack = before.ack, zones = before.zones, durability = before.durability } = changes
  const policy = parse(name, { copies, ack, zones, durability })
  return put({ ...policy, growsTo: changes.copies === undefined ? before.growsTo : undefined })
}

/** @throws NOT_FOUND, FORBIDDEN for `default` */
export function removeClass(view: SystemView, name: string): SystemEdit {
  findClass(view, name)
  if (name === DEFAULT_CLASS.name)
    throw new ShoalError('FORBIDDEN', `The class "${name}" can't be deleted: volumes that name no other have it`)
  return { classes: new Map([[name, undefined]]) }
}

function parse(name: string, given: ClassSettings & { readonly copies: number }) {
  const policy = parseClassPolicy({ ...given, name })
  if (policy.durability === 'durable') return policy
  throw new ShoalError('UNSUPPORTED', `The durability "${policy.durability}" isn't there yet: "durable" is`)
}

function put(record: ClassRecord): SystemEdit {
  return { classes: new Map([[record.name, record]]) }
}
