import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { parseXml } from './parse-xml.ts'

const parse = (text: string, limits = {}) => parseXml(Buffer.from(text), limits)
const refusal = (text: RegExp) => (error: unknown) => isShoalError(error, 'INVALID_ARGUMENT') && text.test(error.message)

test('elements come with their namespace, attributes, children and text', () => {
  const root = parse(
    '\uFEFF<?xml version="1.0" encoding="utf-8"?>\n<!-- c --><a xmlns="urn:one" xmlns:p="urn:two" k="v" p:k="w" xml:lang="de"><b> x &amp; &#x263a; </b>t<p:c xmlns=""><d/></p:c><![CDATA[<&]]></a>\n',
  )
  assert.equal(root.name, 'a')
  assert.equal(root.namespace, 'urn:one')
  assert.deepEqual([...root.attributes], [['k', 'v'], ['{urn:two}k', 'w'], ['{http://www.w3.org/XML/1998/namespace}lang', 'de']]) // prettier-ignore
  assert.equal(root.text, 't<&')
  const [b, c] = root.children
  assert.deepEqual([b?.name, b?.namespace, b?.text], ['b', 'urn:one', ' x & ☺ '])
  assert.deepEqual([c?.name, c?.namespace, c?.children[0]?.namespace], ['c', 'urn:two', ''])
  assert.deepEqual(root.content, [b, 't', c, '<&'])
})

test('entity bombs, outer entities and every document type are refused', () => {
  for (const text of [
    '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    '<!DOCTYPE a SYSTEM "http://127.0.0.1/a.dtd"><a/>',
    '<!DOCTYPE a><a/>',
  ]) {
    assert.throws(() => parse(text), refusal(/line 1: a document type/), text)
  }
  assert.throws(() => parse('<a>&nbsp;</a>'), refusal(/line 1/))
})

test('what is too large, too deep or too many is refused', () => {
  assert.throws(
    () => parse(`<a>${'x'.repeat(1024 * 1024)}</a>`),
    (error) => isShoalError(error, 'TOO_LARGE'),
  )
  assert.throws(() => parse('<a>'.repeat(65)), refusal(/more than 64 elements within/))
  assert.equal(parse(`${'<a>'.repeat(64)}${'</a>'.repeat(64)}`).name, 'a')
  assert.throws(() => parse(`<a>${'<b/>'.repeat(50_000)}</a>`), refusal(/more than 50000 elements/))
  assert.throws(() => parse('<a><b/><b/></a>', { maxElements: 2 }), refusal(/more than 2 elements/))
  assert.throws(() => parse('<a><b/></a>', { maxDepth: 1 }), refusal(/more than 1 elements within/))
})

test('a document that is none is refused with its line', () => {
  for (const [text, line] of [
    ['', 1],
    ['plain', 1],
    ['<a>', 1],
    ['<a>\n\n<b></a>', 3],
    ['<a></a><b/>', 1],
    ['<p:a/>', 1],
    ['<a k="1" k="2"/>', 1],
    ['<a>\n&#1;</a>', 2],
    ['<a>\u0001</a>', 1],
    ['<a><</a>', 1],
  ] as const) {
    assert.throws(() => parse(text), refusal(new RegExp(`line ${line}: `)), text)
  }
})

test('only UTF-8 is read', () => {
  assert.throws(() => parseXml(Buffer.from([0x3c, 0x61, 0x3e, 0xff, 0x3c, 0x2f, 0x61, 0x3e])), refusal(/not UTF-8/))
  assert.throws(() => parseXml(Buffer.from('\uFEFF<a/>', 'utf16le')), refusal(/not UTF-8/))
  assert.throws(() => parse('<?xml version="1.0" encoding="UTF-16"?><a/>'), refusal(/encoding "UTF-16"/))
})
