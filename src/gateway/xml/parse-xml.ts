import { SaxesParser } from 'saxes'
import { ShoalError } from '#foundation/errors.ts'

export interface XmlElement {
  /** The local name, without its prefix. */
  readonly name: string
  /** The namespace's URI; empty without one. */
  readonly namespace: string
  /** By local name; one with a prefix by `{uri}name`. Declarations of namespaces are not among them. */
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly XmlElement[]
  /** The characters directly in the element, those of its children not among them; nothing is trimmed. */
  readonly text: string
  /** Children and text as they stand, for what has to come back as it came. */
  readonly content: readonly (XmlElement | string)[]
}

export interface XmlLimits {
  /** 1 MiB by default. */
  readonly maxBytes?: number
  /** Elements within one another, the outermost among them; 64 by default. */
  readonly maxDepth?: number
  /** Elements of the whole document; 50,000 by default, which is more than a list of 10,000 parts with checksums needs. */
  readonly maxElements?: number
}

interface OpenElement {
  readonly name: string
  readonly namespace: string
  readonly attributes: ReadonlyMap<string, string>
  readonly content: (XmlElement | string)[]
}

const XMLNS = 'http://www.w3.org/2000/xmlns/'
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** Reads a document of XML 1.0 with namespaces, in UTF-8. A document type is refused, and with it every entity but the
 *  five of XML itself; comments and processing instructions are passed over.
 *  @throws INVALID_ARGUMENT that names the line and the reason; TOO_LARGE past `maxBytes` */
export function parseXml(bytes: Uint8Array, limits: XmlLimits = {}): XmlElement {
  const { maxBytes = 1024 * 1024, maxDepth = 64, maxElements = 50_000 } = limits
  if (bytes.length > maxBytes) {
    throw new ShoalError('TOO_LARGE', `The XML document has ${bytes.length} bytes; ${maxBytes} are allowed here`, {
      details: { maxBytes },
    })
  }
  const text = decode(bytes)
  const parser = new SaxesParser({ xmlns: true, position: true, forceXMLVersion: true, defaultXMLVersion: '1.0' })
  const refuse = (reason: string): never => {
    throw new ShoalError('INVALID_ARGUMENT', `The XML document can't be read: line ${parser.line}: ${reason}`, {
      details: { line: parser.line },
    })
  }
  const open: OpenElement[] = []
  let root: XmlElement | undefined
  let elements = 0
  const accept = (piece: string) => {
    const content = open.at(-1)?.content
    if (content === undefined || piece === '') return
    const last = content.at(-1)
    if (typeof last === 'string') content[content.length - 1] = last + piece
    else content.push(piece)
  }
  parser.on('error', (error) => refuse(reasonOf(error)))
  parser.on('doctype', () => refuse('a document type is not allowed'))
  parser.on('xmldecl', ({ encoding }) => {
    if (encoding !== undefined && encoding.toLowerCase() !== 'utf-8')
      refuse(`the encoding "${encoding.slice(0, 40)}" is not allowed: only UTF-8 is`)
  })
  parser.on('opentagstart', () => {
    elements += 1
    if (elements > maxElements) refuse(`more than ${maxElements} elements`)
    if (open.length >= maxDepth) refuse(`more than ${maxDepth} elements within one another`)
  })
  parser.on('opentag', (tag) => {
    const attributes = new Map<string, string>()
    for (const { uri, local, value } of Object.values(tag.attributes))
      if (uri !== XMLNS) attributes.set(uri === '' ? local : `{${uri}}${local}`, value)
    open.push({ name: tag.local, namespace: tag.uri, attributes, content: [] })
  })
  parser.on('closetag', () => {
    const element = finish(open.pop() as OpenElement)
    const parent = open.at(-1)
    if (parent === undefined) root = element
    else parent.content.push(element)
  })
  parser.on('text', accept)
  parser.on('cdata', accept)
  parser.write(text).close()
  return root ?? refuse('there is no element in it')
}

function finish(element: OpenElement): XmlElement {
  const { content } = element
  const first = content[0]
  if (content.length === 0) return { ...element, children: [], text: '' }
  if (content.length === 1 && typeof first === 'string') return { ...element, children: [], text: first }
  return {
    ...element,
    children: content.filter((piece) => typeof piece !== 'string'),
    text: content.filter((piece) => typeof piece === 'string').join(''),
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (cause) {
    throw new ShoalError('INVALID_ARGUMENT', "The XML document can't be read: its bytes are not UTF-8", { cause })
  }
}

/** saxes puts the position before its reason, and quotes what it found without a limit. */
function reasonOf(error: Error): string {
  return error.message.replace(/^\d+:\d+: /, '').slice(0, 200)
}
