import type { IncomingHttpHeaders } from 'node:http'
import { parseXml } from '#gateway/xml/parse-xml.ts'
import { XmlWriter } from '#gateway/xml/write-xml.ts'
import { checkKey } from '../address.ts'
import { putObject } from '../objects/put-object.ts'
import { MAX_SINGLE_BYTES, storeObject } from '../objects/store-object.ts'
import { readTagging } from '../objects/tag-set.ts'
import type { S3Call, S3Operation } from '../operation.ts'
import { S3Error } from '../s3-error.ts'
import { FormFile } from './form-file.ts'
import { formBoundary, FormReader } from './form-reader.ts'
import { checkPostPolicy, parsePostPolicy } from './post-policy.ts'
import type { LengthRange } from './post-policy.ts'
import { verifyPostSignature } from './post-signature.ts'

/** What a form adds to its file: boundaries, and the fields before. */
const FORM_BYTES = 64 * 1024
/** Fields that stand in for headers of a PUT. */
const HEADER_FIELD = /^(?:cache-control|content-(?:type|disposition|encoding|language|md5)|expires|x-amz-.*)$/
const SIGNING_FIELD = /^x-amz-(?:algorithm|credential|date|signature|security-token)$/

/** An upload from a browser's form: its fields say who signed for what, then comes the file. */
export const postObject: S3Operation = {
  name: 'PostObject',
  method: 'POST',
  where: 'bucket',
  admits: 'anyone',
  async handle(call) {
    const boundary = formBoundary(call.header('content-type'))
    if (boundary === undefined)
      throw new S3Error('PreconditionFailed', 'Bucket POST must be of the enclosure-type multipart/form-data', {
        elements: { Condition: 'Bucket POST must be of the enclosure-type multipart/form-data' },
      })
    const form = new FormReader(call.body({ maxBytes: MAX_SINGLE_BYTES + FORM_BYTES }), boundary)
    const { fields: bytes, fileName } = await form.readFields()
    const fields = new Map([...bytes].map(([name, value]) => [name, value.toString('utf8')]))
    const key = readKey(fields, fileName)
    const principal = verifyPostSignature(fields, call.services.findKey) ?? call.principal
    const policy = fields.get('policy')
    let range: LengthRange = { min: 0, max: MAX_SINGLE_BYTES }
    if (policy !== undefined) {
      const facts = new Map([...fields, ['bucket', call.bucket], ['key', key]])
      const allowed = checkPostPolicy(parsePostPolicy(policy), facts, call.services.clock.nowMs())
      if (allowed !== undefined) range = { min: allowed.min, max: Math.min(allowed.max, range.max) }
    }
    const headers = headersOf(bytes)
    const put = await call.putAs({ operation: putObject, principal, key, headers })
    const stored = await storeObject(put, { key, headers, payload: new FormFile(form.readFile(), range) })
    answer(call, fields, { key, ...stored })
  },
}

function readKey(fields: ReadonlyMap<string, string>, fileName: string): string {
  const key = fields.get('key')
  if (key === undefined || key === '')
    throw new S3Error('UserKeyMustBeSpecified', 'The bucket POST must contain the specified field name "key"')
  const named = key.replaceAll('${filename}', () => fileName)
  checkKey(named)
  return named
}

/** The fields in place of a PUT's headers, their bytes as Latin-1, as they are in headers. @throws InvalidArgument */
function headersOf(fields: ReadonlyMap<string, Buffer>): IncomingHttpHeaders {
  const headers: IncomingHttpHeaders = {}
  for (const [name, bytes] of fields) {
    if (!HEADER_FIELD.test(name) || SIGNING_FIELD.test(name)) continue
    const value = bytes.toString('latin1').trim()
    // oxlint-disable-next-line eslint/no-control-regex -- what a header can't carry
    if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value) || !/^[!#$%&'*+\-.^`|~\w]+$/.test(name))
      throw new S3Error('InvalidArgument', `The form's field "${name.slice(0, 80)}" could not be a header`, {
        elements: { ArgumentName: name.slice(0, 80) },
      })
    headers[name] = value
  }
  const acl = fields.get('acl')
  if (acl !== undefined) headers['x-amz-acl'] = acl.toString('latin1').trim()
  const tagging = fields.get('tagging')
  if (tagging !== undefined) headers['x-amz-tagging'] = String(new URLSearchParams(tagsOf(tagging)))
  return headers
}

function tagsOf(document: Buffer): [string, string][] {
  try {
    return readTagging(parseXml(document)).map(([name, value]) => [name, value])
  } catch (cause) {
    if (cause instanceof S3Error) throw cause
    throw new S3Error('MalformedXML', "The form's field tagging is not the document Tagging", { cause })
  }
}

interface Posted {
  readonly key: string
  readonly etag: string
  readonly headers: readonly string[]
}

function answer(call: S3Call, fields: ReadonlyMap<string, string>, { key, etag, headers }: Posted): void {
  const { bucket, exchange } = call
  const redirect = redirectTo(fields.get('success_action_redirect') ?? fields.get('redirect'), { bucket, key, etag })
  if (redirect !== undefined) {
    call.sendEmpty(303, ['Location', redirect, 'ETag', etag, ...headers])
    return
  }
  const path = `${exchange.path.replace(/\/$/, '')}/${key.split('/').map(encodeURIComponent).join('/')}`
  const location = `http${exchange.connection.isSecure ? 's' : ''}://${call.header('host') ?? ''}${path}`
  const sent = ['Location', location, 'ETag', etag, ...headers]
  const status = fields.get('success_action_status')
  if (status !== '201') {
    call.sendEmpty(status === '200' ? 200 : 204, sent)
    return
  }
  const xml = new XmlWriter('PostResponse').leaf('Location', location).leaf('Bucket', bucket).leaf('Key', key).leaf('ETag', etag)
  call.sendXml(201, xml, sent)
}

/** Where a browser is sent, with what was stored; nowhere if it isn't an address of the web. */
function redirectTo(
  text: string | undefined,
  { bucket, key, etag }: { bucket: string; key: string; etag: string },
): string | undefined {
  if (text === undefined) return undefined
  const url = URL.parse(text)
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined
  const query = `bucket=${encodeURIComponent(bucket)}&key=${encodeURIComponent(key)}&etag=${encodeURIComponent(etag)}`
  url.search = url.search === '' ? query : `${url.search}&${query}`
  return url.href
}
