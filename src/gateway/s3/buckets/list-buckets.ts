import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { ownerId } from '../owner.ts'
import { s3Timestamp } from '../s3-timestamp.ts'

const MAX_BUCKETS = 10_000

export const listBuckets: S3Operation = {
  name: 'ListBuckets',
  method: 'GET',
  where: 'service',
  admits: 'signed',
  async handle(call) {
    const { query, principal, services } = call
    const limit = query.integer('max-buckets', { min: 1, max: MAX_BUCKETS }) ?? MAX_BUCKETS
    const prefix = query.get('prefix') ?? ''
    const after = query.get('continuation-token') ?? ''
    const { volumes } = services
    const known = (await volumes.listKnown?.()) ?? { volumes: await volumes.list() }
    const all = known.volumes
      .filter(({ owner }) => principal.kind === 'root' || owner === principal.name)
      .filter(({ name }) => name.startsWith(prefix) && name > after)
      .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    const xml = new XmlWriter('ListAllMyBucketsResult', { xmlns: S3_NAMESPACE })
    xml.start('Owner').leaf('ID', ownerId(principal.name)).leaf('DisplayName', principal.name).end()
    xml.start('Buckets')
    const page = all.slice(0, limit)
    for (const { name, createdNs } of page)
      xml
        .start('Bucket')
        .leaf('Name', name)
        .leaf('CreationDate', s3Timestamp(createdNs))
        .leaf('BucketRegion', services.region)
        .end()
    xml.end()
    if (query.has('prefix')) xml.leaf('Prefix', prefix)
    if (page.length < all.length) xml.leaf('ContinuationToken', page.at(-1)?.name)
    // S3 has no word for it, and clients that are strict about documents don't mind headers.
    call.sendXml(200, xml, known.missing === undefined ? [] : ['x-shoal-missing', known.missing])
  },
}
