// Settings of buckets that this door knows and has not: what asks for nothing is answered, what asks for something is refused
// by its name. Nothing is taken and then left undone.

import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { S3Call, S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import type { S3Code } from '../s3-error.ts'

interface Unsupported {
  readonly marker: string
  readonly get: string
  readonly put: string
  /** The outermost element. */
  readonly root: string
  readonly what: string
  /** Documents that ask for nothing: each child element, and its text if that matters. */
  readonly harmless?: Readonly<Record<string, string>>
  /** What GET answers with inside of the root. */
  readonly shown?: readonly [name: string, text: string]
}

export const [getBucketLogging, putBucketLogging] = unsupported({
  marker: 'logging',
  get: 'GetBucketLogging',
  put: 'PutBucketLogging',
  root: 'BucketLoggingStatus',
  what: 'access logging into a bucket (the node has a log of its own)',
})

export const [getBucketNotificationConfiguration, putBucketNotificationConfiguration] = unsupported({
  marker: 'notification',
  get: 'GetBucketNotificationConfiguration',
  put: 'PutBucketNotificationConfiguration',
  root: 'NotificationConfiguration',
  what: 'event notification (the change feed over REST tells of every change)',
})

export const [getBucketRequestPayment, putBucketRequestPayment] = unsupported({
  marker: 'requestPayment',
  get: 'GetBucketRequestPayment',
  put: 'PutBucketRequestPayment',
  root: 'RequestPaymentConfiguration',
  what: 'a Payer other than BucketOwner',
  harmless: { Payer: 'BucketOwner' },
  shown: ['Payer', 'BucketOwner'],
})

export const [getBucketAccelerateConfiguration, putBucketAccelerateConfiguration] = unsupported({
  marker: 'accelerate',
  get: 'GetBucketAccelerateConfiguration',
  put: 'PutBucketAccelerateConfiguration',
  root: 'AccelerateConfiguration',
  what: 'transfer acceleration',
  harmless: { Status: 'Suspended' },
})

function unsupported({ marker, get, put, root, what, harmless = {}, shown }: Unsupported): [S3Operation, S3Operation] {
  const getOperation: S3Operation = {
    name: get,
    method: 'GET',
    where: 'bucket',
    markers: [marker],
    async handle(call) {
      await call.services.volumes.openBucket(call.bucket)
      const xml = new XmlWriter(root, { xmlns: S3_NAMESPACE })
      call.sendXml(200, shown === undefined ? xml : xml.leaf(...shown))
    },
  }
  const putOperation: S3Operation = {
    name: put,
    method: 'PUT',
    where: 'bucket',
    markers: [marker],
    async handle(call) {
      const { children } = await call.readXml(root)
      await call.services.volumes.openBucket(call.bucket)
      if (children.some(({ name, text }) => harmless[name] !== text.trim())) throw notImplemented(what)
      call.sendEmpty(200)
    },
  }
  return [getOperation, putOperation]
}

export const [getBucketWebsite, putBucketWebsite, deleteBucketWebsite] = absent({
  marker: 'website',
  names: ['GetBucketWebsite', 'PutBucketWebsite', 'DeleteBucketWebsite'],
  missing: 'NoSuchWebsiteConfiguration',
  what: 'serving a bucket as a web site',
})

export const [getBucketReplication, putBucketReplication, deleteBucketReplication] = absent({
  marker: 'replication',
  names: ['GetBucketReplication', 'PutBucketReplication', 'DeleteBucketReplication'],
  missing: 'ReplicationConfigurationNotFoundError',
  what: 'replication from bucket to bucket',
})

function absent({
  marker,
  names,
  missing,
  what,
}: {
  readonly marker: string
  readonly names: readonly [get: string, put: string, remove: string]
  readonly missing: S3Code
  readonly what: string
}): [S3Operation, S3Operation, S3Operation] {
  const operation = (name: string, method: S3Operation['method'], answer: (call: S3Call) => void): S3Operation => ({
    name,
    method,
    where: 'bucket',
    markers: [marker],
    async handle(call) {
      await call.services.volumes.openBucket(call.bucket)
      answer(call)
    },
  })
  const [get, put, remove] = names
  return [
    operation(get, 'GET', ({ bucket }) => {
      throw new S3Error(missing, `The bucket has no such configuration: ${what} is not implemented here`, {
        elements: { BucketName: bucket },
      })
    }),
    operation(put, 'PUT', () => {
      throw notImplemented(what)
    }),
    operation(remove, 'DELETE', (call) => call.sendEmpty(204)),
  ]
}

function notImplemented(what: string): S3Error {
  return new S3Error('NotImplemented', `Not implemented here: ${what}`)
}
