// What a browser shows of a collection: names, sizes and times, and a link to each.

import { formatPath } from '#foundation/path.ts'
import type { Exchange } from '#gateway/http/exchange.ts'
import { formatHttpDate } from '#gateway/http/http-date.ts'
import { escapeXml } from '#gateway/xml/write-xml.ts'
import type { GuardedVolume } from '#volume/locks.ts'
import type { DavRequest } from './dav-request.ts'
import { encodeSegment, type EntryTarget, formatHref } from './dav-target.ts'
import { HideShadowed } from './hide-shadowed.ts'
import { knownVolumes } from './known-volumes.ts'

const ENTRIES_PER_PAGE = 1_000
const STYLE =
  'body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:60em;padding:0 1em;color-scheme:light dark}table{width:100%;border-collapse:collapse}td{padding:.15em .5em}td+td{text-align:right;white-space:nowrap}a{text-decoration:none}tr:hover{background:#8882}'

const HEADERS = [
  'Content-Type',
  'text/html; charset=utf-8',
  'Cache-Control',
  'no-store',
  'X-Content-Type-Options',
  'nosniff',
  'Content-Security-Policy',
  "default-src 'none'; style-src 'unsafe-inline'",
]

export async function sendVolumesPage({ exchange, services }: DavRequest): Promise<void> {
  const { names, headers } = await knownVolumes(services)
  if (!begin(exchange, 'Volumes', headers)) return
  exchange.end(`${names.map((name) => row(formatHref(name, [], true), `${name}/`)).join('')}${END}`)
}

export async function sendFolderPage({ exchange, target }: DavRequest<EntryTarget>, volume: GuardedVolume): Promise<void> {
  const { path } = target
  if (!begin(exchange, `${target.volume}:/${formatPath(path)}`)) return
  exchange.write(row(path.length === 0 ? '/dav/' : formatHref(target.volume, path.slice(0, -1), true), '../'))
  const base = formatHref(target.volume, path, true)
  const visible = new HideShadowed()
  const show = (entries: readonly Parameters<HideShadowed['accept']>[0][]): string =>
    entries
      .map(({ path: [name = ''], attributes: { type, sizeBytes, mtimeNs } }) => {
        const isFolder = type === 'directory'
        const facts = [isFolder ? '' : String(sizeBytes), formatHttpDate(Number(mtimeNs / 1_000_000n))]
        return row(`${base}${encodeSegment(name)}${isFolder ? '/' : ''}`, `${name}${isFolder ? '/' : ''}`, facts)
      })
      .join('')
  let cursor: string | undefined
  do {
    const page = await volume.list(path, { limit: ENTRIES_PER_PAGE, ...(cursor === undefined ? {} : { cursor }) })
    if (!exchange.write(show(page.entries.flatMap((entry) => visible.accept(entry))))) await exchange.drained()
    cursor = page.next
  } while (cursor !== undefined)
  exchange.end(`${show(visible.finish())}${END}`)
}

/** False if the headers are all that is wanted. */
function begin(exchange: Exchange, title: string, headers: readonly string[] = []): boolean {
  exchange.startStream(200, [...HEADERS, ...headers])
  if (exchange.method === 'HEAD') {
    exchange.end()
    return false
  }
  const shown = escapeXml(title)
  exchange.write(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${shown}</title><style>${STYLE}</style><h1>${shown}</h1><table>\n`,
  )
  return true
}

const END = '</table></html>\n'

function row(href: string, name: string, facts: readonly string[] = ['', '']): string {
  const cells = facts.map((fact) => `<td>${escapeXml(fact)}</td>`).join('')
  return `<tr><td><a href="${escapeXml(href)}">${escapeXml(name)}</a></td>${cells}</tr>\n`
}
