// oxlint-disable eslint/no-restricted-globals -- converts given times, reads no clock
import type { Dot } from './entry.ts'
import { msOf } from './hybrid-clock.ts'

/** The name beside `path` for a version that lost: the same on every node. `docs/a.txt` becomes
 *  `docs/a (conflict 2026-11-26 17.03.12.345 1f2e3d4c).txt`. */
export function conflictName(path: string, { time, node }: Dot): string {
  const at = path.lastIndexOf('/') + 1
  const name = path.slice(at)
  const dot = name.lastIndexOf('.')
  const stem = dot > 0 ? name.slice(0, dot) : name
  const moment = new Date(msOf(time)).toISOString().slice(0, -1).replace('T', ' ').replaceAll(':', '.')
  return `${path.slice(0, at)}${stem} (conflict ${moment} ${node.slice(0, 8)})${name.slice(stem.length)}`
}
