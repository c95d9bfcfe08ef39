import { encodeName } from '#foundation/name.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { Entry, Listing } from '#volume/volume.ts'
import { nameOf, type PendingEntry } from './pending-unit.ts'

/** Where a listing goes on. */
interface Cursor {
  /** The order of the last entry, in base64. */
  readonly after?: string
  readonly cluster?: string
}

/** The cluster's cursor in one of `mergePage`. */
export function clusterCursor(cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : (JSON.parse(cursor) as Cursor).cluster
}

export interface PageMerge {
  readonly page: Listing
  readonly cursor: string | undefined
  /** What was changed in the directory, or was until the cluster had it, while the page was asked for. */
  readonly changed: Iterable<PendingEntry>
  /** As the mount shows them. */
  readonly show: (name: string, attributes: Attributes) => Attributes
  readonly showPending: (entry: PendingEntry) => Attributes | undefined
}

/** A page of the cluster's listing with what it hasn't got yet of the same stretch, in the order of both: what is there all the time
 *  is listed once, wherever it is meanwhile. */
export function mergePage({ page, cursor, changed, show, showPending }: PageMerge): Listing {
  const after = cursor === undefined ? undefined : Buffer.from((JSON.parse(cursor) as Cursor).after ?? '', 'base64')
  const last = page.entries.at(-1)
  const isLast = page.next === undefined
  const end = isLast || last === undefined ? undefined : orderOf(last.path.at(-1) as string, last.attributes)
  const merged: { readonly order: Buffer; readonly entry: Entry }[] = []
  const names = new Set<string>()
  for (const entry of changed) {
    const name = nameOf(entry.path)
    names.add(name)
    const attributes = showPending(entry)
    if (attributes === undefined) continue
    const order = orderOf(name, attributes)
    const isBehind = after === undefined || Buffer.compare(order, after) > 0
    if (isBehind && (end === undefined || Buffer.compare(order, end) <= 0))
      merged.push({ order, entry: { path: [name], attributes } })
  }
  for (const { path, attributes } of page.entries) {
    const name = path.at(-1) as string
    if (!names.has(name))
      merged.push({ order: orderOf(name, attributes), entry: { path: [name], attributes: show(name, attributes) } })
  }
  merged.sort((one, other) => Buffer.compare(one.order, other.order))
  const next = isLast
    ? undefined
    : JSON.stringify({ after: end?.toString('base64'), cluster: page.next } satisfies Partial<Record<keyof Cursor, unknown>>)
  return { entries: merged.map(({ entry }) => entry), next }
}

/** As the cluster sorts: by the bytes of the name, a directory's with a slash behind. */
function orderOf(name: string, { type }: Pick<Attributes, 'type'>): Buffer {
  return encodeName(type === 'directory' ? `${name}/` : name)
}
