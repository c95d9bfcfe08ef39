import type { XmlElement } from './parse-xml.ts'

export const XML_DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

// eslint-disable-next-line no-control-regex
const SPECIAL = /[&<>"'\x00-\x1f\ufffe\uffff\ud800-\udfff]/
// eslint-disable-next-line no-control-regex
const ESCAPED = /[&<>"'\x00-\x1f\ufffe\uffff]|\p{Surrogate}/gu

/** `text` for the inside of an element or of an attribute in quotes. Tab and both ends of a line are written as
 *  references, so that they come back as they are. What XML 1.0 has no way to carry (other control characters, U+FFFE,
 *  U+FFFF, lone surrogates) becomes U+FFFD: the document stays one that every parser reads. Where a name has to come
 *  through whatever is in it, the protocol has a way of its own (S3's `encoding-type=url`, the percent-encoding of a href). */
export function escapeXml(text: string): string {
  return SPECIAL.test(text) ? text.replace(ESCAPED, escapeOne) : text
}

function escapeOne(character: string): string {
  switch (character) {
    case '&':
      return '&amp;'
    case '<':
      return '&lt;'
    case '>':
      return '&gt;'
    case '"':
      return '&quot;'
    case "'":
      return '&apos;'
    case '\t':
      return '&#9;'
    case '\n':
      return '&#10;'
    case '\r':
      return '&#13;'
    default:
      return '\uFFFD'
  }
}

/** An element to write: what `parseXml` gives, or as much of it as there is. */
export type XmlToWrite = Pick<XmlElement, 'name' | 'namespace'> & Partial<Pick<XmlElement, 'attributes' | 'content'>>

/** Writes a document piece by piece. Names are written as they are given, so they have to be names; text is escaped.
 *
 *      new XmlWriter('D:multistatus', { 'xmlns:D': 'DAV:' }).leaf('D:href', '/a').finish() */
export class XmlWriter {
  #text: string
  readonly #open: string[]

  /** Begins with the outermost element. */
  constructor(name: string, attributes?: Readonly<Record<string, string>>) {
    this.#text = `${XML_DECLARATION}<${name}${attributesOf(attributes)}>`
    this.#open = [name]
  }

  start(name: string, attributes?: Readonly<Record<string, string>>): this {
    this.#text += `<${name}${attributesOf(attributes)}>`
    this.#open.push(name)
    return this
  }

  /** Ends the element begun last. */
  end(): this {
    this.#text += `</${this.#open.pop() as string}>`
    return this
  }

  /** An element with text alone; without a value (not even an empty one) nothing at all. */
  leaf(name: string, value: string | number | boolean | undefined): this {
    if (value === undefined) return this
    if (value === '') this.#text += `<${name}/>`
    else this.#text += `<${name}>${typeof value === 'string' ? escapeXml(value) : value}</${name}>`
    return this
  }

  /** Text between the elements. */
  text(value: string): this {
    this.#text += escapeXml(value)
    return this
  }

  /** What has been escaped, and ends whatever it begins. */
  markup(text: string): this {
    this.#text += text
    return this
  }

  /** A whole element in its own namespace, whichever stands around it. */
  element(element: XmlToWrite): this {
    this.#text += elementText(element, undefined)
    return this
  }

  /** Ends what is still open, and gives the document. */
  finish(): string {
    while (this.#open.length > 0) this.end()
    return this.#text
  }
}

function attributesOf(attributes: Readonly<Record<string, string>> | undefined): string {
  if (attributes === undefined) return ''
  let text = ''
  for (const [name, value] of Object.entries(attributes)) text += ` ${name}="${escapeXml(value)}"`
  return text
}

const XML_NAMESPACE = 'http://www.w3.org/XML/1998/namespace'

/** `around` is the default namespace at that place, `undefined` if it isn't known. */
function elementText(element: XmlToWrite, around: string | undefined): string {
  const { name, namespace, attributes, content = [] } = element
  let text = namespace === around ? `<${name}` : `<${name} xmlns="${escapeXml(namespace)}"`
  let prefixes = 0
  for (const [key, value] of attributes ?? []) {
    const brace = key.startsWith('{') ? key.lastIndexOf('}') : -1
    if (brace === -1) text += ` ${key}="${escapeXml(value)}"`
    else if (key.slice(1, brace) === XML_NAMESPACE) text += ` xml:${key.slice(brace + 1)}="${escapeXml(value)}"`
    else {
      prefixes += 1
      text += ` xmlns:n${prefixes}="${escapeXml(key.slice(1, brace))}" n${prefixes}:${key.slice(brace + 1)}="${escapeXml(value)}"`
    }
  }
  if (content.length === 0) return `${text}/>`
  text += '>'
  for (const piece of content) text += typeof piece === 'string' ? escapeXml(piece) : elementText(piece, namespace)
  return `${text}</${name}>`
}
