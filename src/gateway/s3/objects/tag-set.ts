import type { XmlElement } from '#gateway/xml/parse-xml.ts'
import { percentDecode } from '#gateway/http/target.ts'
import { S3Error } from '../s3-error.ts'

export type Tags = readonly (readonly [key: string, value: string])[]

/** Amazon S3's limits, in characters. */
const MAX_TAGS = 10
const MAX_KEY_LENGTH = 128
const MAX_VALUE_LENGTH = 256

/** The same tags by their keys. @throws InvalidTag, also for too many */
export function checkTags(tags: Tags): Tags {
  if (tags.length > MAX_TAGS) throw new S3Error('InvalidTag', `Object tags cannot be greater than ${MAX_TAGS}`)
  const keys = new Set<string>()
  for (const [key, value] of tags) {
    if (key === '' || key.length > MAX_KEY_LENGTH) throw invalidTag('The TagKey you have provided is invalid', key)
    if (value.length > MAX_VALUE_LENGTH) throw invalidTag('The TagValue you have provided is invalid', key)
    if (keys.has(key)) throw invalidTag('Cannot provide multiple Tags with the same key', key)
    keys.add(key)
  }
  return tags.toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function invalidTag(message: string, key: string): S3Error {
  return new S3Error('InvalidTag', message, { elements: { TagKey: key.slice(0, MAX_KEY_LENGTH) } })
}

/** The header x-amz-tagging: pairs as in a query. */
export function parseTagging(text: string): Tags {
  const tags: [string, string][] = []
  for (const pair of text.split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const [key, value] = equals < 0 ? [pair, ''] : [pair.slice(0, equals), pair.slice(equals + 1)]
    tags.push([decode(key), decode(value)])
  }
  return checkTags(tags)
}

function decode(text: string): string {
  try {
    return percentDecode(text.replaceAll('+', ' '))
  } catch {
    throw new S3Error('InvalidArgument', `The header x-amz-tagging is not encoded as a query: "${text.slice(0, 80)}"`, {
      elements: { ArgumentName: 'x-amz-tagging' },
    })
  }
}

/** The document Tagging. @throws MalformedXML, InvalidTag */
export function readTagging(root: XmlElement): Tags {
  const [set, ...others] = root.children
  if (set?.name !== 'TagSet' || others.length > 0) throw malformed()
  return checkTags(
    set.children.map((tag): [string, string] => {
      const key = tag.children.find(({ name }) => name === 'Key')
      const value = tag.children.find(({ name }) => name === 'Value')
      if (tag.name !== 'Tag' || key === undefined || value === undefined) throw malformed()
      return [key.text, value.text]
    }),
  )
}

function malformed(): S3Error {
  return new S3Error('MalformedXML', 'Tagging is expected to have a TagSet of Tags with a Key and a Value each')
}
