import type { DavServices } from './dav-request.ts'

/** The names of the volumes that this node can tell of now, and what is said of others: WebDAV has no word for it. */
export async function knownVolumes({ volumes }: Pick<DavServices, 'volumes'>): Promise<{
  readonly names: readonly string[]
  readonly headers: readonly string[]
}> {
  const known = (await volumes.listKnown?.()) ?? { volumes: await volumes.list() }
  const headers = known.missing === undefined ? [] : ['X-Shoal-Missing', known.missing]
  return { names: known.volumes.map(({ name }) => name), headers }
}
