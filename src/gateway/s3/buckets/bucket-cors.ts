import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import type { CorsRule } from '#volume/bucket-settings.ts'
import type { S3Operation } from '../operation.ts'
import { S3_NAMESPACE } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { setOfBucket, unsetOfBucket } from './change-settings.ts'

/** Amazon S3's limits. */
const MAX_RULES = 100
const MAX_ID_LENGTH = 255
const MAX_BYTES = 64 * 1024
const METHODS: readonly string[] = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE']

export const getBucketCors: S3Operation = {
  name: 'GetBucketCors',
  method: 'GET',
  where: 'bucket',
  markers: ['cors'],
  async handle(call) {
    const { cors } = (await call.services.volumes.openBucket(call.bucket)).settings
    if (cors === undefined)
      throw new S3Error('NoSuchCORSConfiguration', 'The CORS configuration does not exist', {
        elements: { BucketName: call.bucket },
      })
    const xml = new XmlWriter('CORSConfiguration', { xmlns: S3_NAMESPACE })
    for (const { id, origins, methods, headers, exposed, maxAgeSeconds } of cors) {
      xml.start('CORSRule').leaf('ID', id)
      for (const value of methods) xml.leaf('AllowedMethod', value)
      for (const value of origins) xml.leaf('AllowedOrigin', value)
      for (const value of headers) xml.leaf('AllowedHeader', value)
      for (const value of exposed) xml.leaf('ExposeHeader', value)
      xml.leaf('MaxAgeSeconds', maxAgeSeconds).end()
    }
    call.sendXml(200, xml)
  },
}

export const putBucketCors: S3Operation = {
  name: 'PutBucketCors',
  method: 'PUT',
  where: 'bucket',
  markers: ['cors'],
  async handle(call) {
    const root = await call.readXml('CORSConfiguration', { maxBytes: MAX_BYTES })
    if (root.children.length === 0 || root.children.length > MAX_RULES) throw malformed(`1 to ${MAX_RULES} rules are expected`)
    await setOfBucket(call, { cors: root.children.map(readRule) })
    call.sendEmpty(200)
  },
}

export const deleteBucketCors: S3Operation = {
  name: 'DeleteBucketCors',
  method: 'DELETE',
  where: 'bucket',
  markers: ['cors'],
  async handle(call) {
    await unsetOfBucket(call, 'cors')
    call.sendEmpty(204)
  },
}

/** Elements of a rule that may come more than once, and what they are here. */
const LISTS = {
  AllowedOrigin: 'origins',
  AllowedMethod: 'methods',
  AllowedHeader: 'headers',
  ExposeHeader: 'exposed',
} as const

function readRule(element: XmlElement): CorsRule {
  if (element.name !== 'CORSRule') throw malformed(`it has an element ${element.name.slice(0, 40)}`)
  const lists = { origins: [] as string[], methods: [] as string[], headers: [] as string[], exposed: [] as string[] }
  const single: { id?: string; maxAgeSeconds?: number } = {}
  for (const { name, text } of element.children) {
    if (Object.hasOwn(LISTS, name)) lists[LISTS[name as keyof typeof LISTS]].push(text.trim())
    else if (name === 'ID' && text.length <= MAX_ID_LENGTH) single.id = text
    else if (name === 'MaxAgeSeconds' && /^\s*\d{1,9}\s*$/.test(text)) single.maxAgeSeconds = Number(text)
    else throw malformed(`${name.slice(0, 40)} is "${text.slice(0, 80)}"`)
  }
  if (lists.origins.length === 0 || lists.methods.length === 0)
    throw malformed('a rule is expected to have at least one AllowedOrigin and one AllowedMethod')
  for (const method of lists.methods)
    if (!METHODS.includes(method))
      throw new S3Error(
        'InvalidRequest',
        `Found unsupported HTTP method in CORS config. Unsupported method is ${method.slice(0, 40)}`,
      )
  for (const [name, values] of [
    ['AllowedOrigin', lists.origins],
    ['AllowedHeader', lists.headers],
  ] as const)
    for (const value of values)
      if (value.split('*').length > 2)
        throw new S3Error('InvalidRequest', `${name} "${value.slice(0, 80)}" can not have more than one wildcard.`)
  return { ...single, ...lists }
}

function malformed(why: string): S3Error {
  return new S3Error('MalformedXML', `The CORS configuration can't be read: ${why}`)
}
