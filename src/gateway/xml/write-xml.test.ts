import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseXml } from './parse-xml.ts'
import type { XmlElement } from './parse-xml.ts'
import { escapeXml, XML_DECLARATION, XmlWriter } from './write-xml.ts'

test('what XML keeps for itself is escaped, and what it can not carry is replaced', () => {
  assert.equal(escapeXml('plain é ☺ 😀'), 'plain é ☺ 😀')
  assert.equal(escapeXml(`<a href="x" title='y'>&\t\r\n`), '&lt;a href=&quot;x&quot; title=&apos;y&apos;&gt;&amp;&#9;&#13;&#10;')
  assert.equal(escapeXml('a\x00b\x1fc\uFFFEd\uDC80e😀f'), 'a\uFFFDb\uFFFDc\uFFFDd\uFFFDe😀f')
})

test('a document is written element by element', () => {
  const text = new XmlWriter('D:a', { 'xmlns:D': 'DAV:', k: '<1>' })
    .leaf('D:b', 'x & y')
    .leaf('D:c', '')
    .leaf('D:d', undefined)
    .start('D:e')
    .leaf('D:f', 7)
    .leaf('D:g', false)
    .end()
    .element({ name: 'h', namespace: '' })
    .finish()
  assert.equal(
    text,
    `${XML_DECLARATION}<D:a xmlns:D="DAV:" k="&lt;1&gt;"><D:b>x &amp; y</D:b><D:c/><D:e><D:f>7</D:f><D:g>false</D:g></D:e><h xmlns=""/></D:a>`,
  )
})

const name = fc.stringMatching(/^[a-z_][a-z0-9.-]{0,8}$/)
const uri = fc.constantFrom('', 'DAV:', 'urn:a', 'http://x/?a="b"&c', 'urn:with}brace')
const attributeName = fc.tuple(uri, name).map(([space, local]) => (space === '' ? local : `{${space}}${local}`))
const text = fc.string({ unit: 'binary', maxLength: 12 }).filter((value) => value !== '' && !escapeXml(value).includes('\uFFFD'))

interface Tree {
  readonly name: string
  readonly namespace: string
  readonly attributes: ReadonlyMap<string, string>
  readonly content: readonly (Tree | string)[]
}

const tree = fc.letrec<{ tree: Tree }>((tie) => ({
  tree: fc.record({
    name,
    namespace: uri,
    attributes: fc
      .uniqueArray(fc.tuple(attributeName, text), { selector: ([key]) => key, maxLength: 3 })
      .map((all) => new Map(all)),
    content: fc
      .array(fc.oneof({ depthSize: 'small' }, text, tie('tree')), { maxLength: 4 })
      .map((all) => all.filter((piece, at) => typeof piece !== 'string' || typeof all[at - 1] !== 'string')),
  }),
})).tree

function build({ content, ...rest }: Tree): XmlElement {
  const pieces = content.map((piece) => (typeof piece === 'string' ? piece : build(piece)))
  return {
    ...rest,
    content: pieces,
    children: pieces.filter((piece) => typeof piece !== 'string'),
    text: pieces.filter((piece) => typeof piece === 'string').join(''),
  }
}

test('an element that is written and read again is the same', () => {
  fc.assert(
    fc.property(tree, (given) => {
      const element = build(given)
      const read = parseXml(Buffer.from(new XmlWriter('root', { xmlns: 'urn:around' }).element(element).finish()))
      assert.deepEqual(read.children[0], element)
    }),
  )
})

test('whatever bytes come, reading ends with an element or a refusal', () => {
  const piece = fc.constantFrom(
    '<a',
    '>',
    '</a>',
    '<!DOCTYPE',
    '<![CDATA[',
    ']]>',
    '&',
    'amp;',
    '"',
    '=',
    ' b',
    '<!--',
    '-->',
    '<?',
    '?>',
    '\0',
  )
  fc.assert(
    fc.property(fc.array(fc.oneof(piece, fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 30 }), (pieces) => {
      try {
        parseXml(Buffer.from(pieces.join('')))
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'INVALID_ARGUMENT')
      }
    }),
  )
})
