import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isShoalError } from '#foundation/errors.ts'
import { MAX_POLICY_BYTES, parsePolicy } from './policy.ts'
import type { Policy, Vocabulary } from './policy.ts'
import { evaluatePolicy, isPublicPolicy } from './policy-evaluation.ts'
import type { Requester } from './policy-principals.ts'

const vocabulary: Vocabulary = {
  actions: ['s3:GetObject', 's3:PutObject', 's3:ListBucket', 's3:PutBucketPolicy'],
  isConditionKey: (key) => key.startsWith('aws:') || key.startsWith('s3:'),
  isResource: (pattern) => pattern === '*' || pattern.startsWith('arn:aws:s3:::'),
}
const ACCOUNT = '000000000001'
const anna: Requester = { name: 'anna', account: ACCOUNT, canonicalId: 'a'.repeat(64) }
const nobody: Requester = { name: undefined, account: '', canonicalId: '' }

const policyOf = (...statements: readonly object[]): Policy =>
  parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement: statements }), vocabulary)
const ALLOW = { Effect: 'Allow', Principal: '*', Action: 's3:GetObject', Resource: 'arn:aws:s3:::b/*' }

interface Asked {
  readonly who?: Requester
  readonly action?: string
  readonly resource?: string
  readonly values?: Readonly<Record<string, string | readonly string[]>>
}

function ask(policy: Policy, { who = anna, action = 's3:GetObject', resource = 'arn:aws:s3:::b/k', values = {} }: Asked = {}) {
  const valuesOf = (key: string) => {
    const found = values[key]
    return found === undefined || Array.isArray(found) ? (found as readonly string[] | undefined) : [found as string]
  }
  return evaluatePolicy(policy, { who, action, resource, valuesOf })
}

test('a statement speaks of the principals, actions and resources that it names, and of no others', () => {
  const cases: readonly [object, Asked, boolean][] = [
    [{}, {}, true],
    [{}, { who: nobody }, true],
    [{ Principal: { AWS: '*' } }, { who: nobody }, true],
    [{ Principal: { AWS: `arn:aws:iam::${ACCOUNT}:user/anna` } }, {}, true],
    [{ Principal: { AWS: 'arn:aws:iam:::user/anna' } }, {}, true],
    [{ Principal: { AWS: 'arn:aws:iam::000000000002:user/anna' } }, {}, false],
    [{ Principal: { AWS: ['arn:aws:iam:::user/bert', 'arn:aws:iam:::user/anna'] } }, {}, true],
    [{ Principal: { AWS: 'arn:aws:iam:::user/ann' } }, {}, false],
    [{ Principal: { AWS: 'arn:aws:iam:::user/x/anna' } }, {}, false],
    [{ Principal: { AWS: 'arn:aws:iam:::role/anna' } }, {}, false],
    [{ Principal: { AWS: ACCOUNT } }, {}, true],
    [{ Principal: { AWS: ACCOUNT } }, { who: nobody }, false],
    [{ Principal: { AWS: `arn:aws:iam::${ACCOUNT}:root` } }, {}, true],
    [{ Principal: { AWS: 'arn:aws:iam::s3tenant1:root' } }, {}, false],
    [{ Principal: { CanonicalUser: anna.canonicalId } }, {}, true],
    [{ Principal: { CanonicalUser: '' + 'b'.repeat(64) } }, {}, false],
    [{ Principal: { Service: 'logging.s3.amazonaws.com' } }, {}, false],
    [{ Action: 's3:*' }, {}, true],
    [{ Action: '*' }, {}, true],
    [{ Action: 'S3:getobject' }, {}, true],
    [{ Action: ['s3:Put*', 's3:Get*'] }, {}, true],
    [{ Action: 's3:Put*' }, {}, false],
    [{ Action: undefined, NotAction: 's3:Put*' }, {}, true],
    [{ Action: undefined, NotAction: 's3:*' }, {}, false],
    [{ Resource: 'arn:aws:s3:::b' }, {}, false],
    [{ Resource: 'arn:aws:s3:::*' }, {}, true],
    [{ Resource: 'arn:aws:s3:::b/K' }, {}, false],
    [
      { Resource: 'arn:aws:s3:::b/${aws:username}/*' },
      { resource: 'arn:aws:s3:::b/anna/x', values: { 'aws:username': 'anna' } },
      true,
    ],
    [
      { Resource: 'arn:aws:s3:::b/${aws:username}/*' },
      { resource: 'arn:aws:s3:::b/bert/x', values: { 'aws:username': 'anna' } },
      false,
    ],
    [{ Resource: undefined, NotResource: 'arn:aws:s3:::b/private/*' }, {}, true],
    [{ Resource: undefined, NotResource: 'arn:aws:s3:::b/*' }, {}, false],
  ]
  for (const [changes, asked, expected] of cases) {
    const found = ask(policyOf({ ...ALLOW, ...changes }), asked)
    assert.equal(found, expected ? 'allow' : 'neither', `${JSON.stringify(changes)} ${JSON.stringify(asked)}`)
  }
})

test('a denial that excepts somebody denies all others', () => {
  const deny = { ...ALLOW, Effect: 'Deny', Principal: undefined, NotPrincipal: { AWS: 'arn:aws:iam:::user/anna' } }
  assert.equal(ask(policyOf(deny)), 'neither')
  assert.equal(ask(policyOf(deny), { who: nobody }), 'deny')
})

test('conditions hold as the operators of IAM do', () => {
  const ip = { 'aws:sourceip': '10.1.2.3' }
  const tags = { 's3:requestobjecttagkeys': ['a', 'b'] }
  const cases: readonly [object, Asked['values'], boolean][] = [
    [{ StringEquals: { 'aws:Referer': 'x' } }, { 'aws:referer': 'x' }, true],
    [{ StringEquals: { 'aws:Referer': ['y', 'x'] } }, { 'aws:referer': 'x' }, true],
    [{ StringEquals: { 'aws:Referer': 'X' } }, { 'aws:referer': 'x' }, false],
    [{ StringEquals: { 'aws:Referer': '*' } }, { 'aws:referer': 'x' }, false],
    [{ StringEquals: { 'aws:Referer': '${aws:username}*' } }, { 'aws:referer': 'me*', 'aws:username': 'me' }, true],
    [{ StringEquals: { 'aws:Referer': 'x' } }, {}, false],
    [{ StringEqualsIfExists: { 'aws:Referer': 'x' } }, {}, true],
    [{ StringEqualsIfExists: { 'aws:Referer': 'x' } }, { 'aws:referer': 'y' }, false],
    [{ StringNotEquals: { 'aws:Referer': 'x' } }, {}, true],
    [{ StringNotEquals: { 'aws:Referer': ['x', 'y'] } }, { 'aws:referer': 'y' }, false],
    [{ StringNotEquals: { 'aws:Referer': ['x', 'y'] } }, { 'aws:referer': 'z' }, true],
    [{ StringEqualsIgnoreCase: { 'aws:Referer': 'X' } }, { 'aws:referer': 'x' }, true],
    [{ StringNotEqualsIgnoreCase: { 'aws:Referer': 'X' } }, { 'aws:referer': 'x' }, false],
    [{ StringLike: { 'aws:Referer': 'http://a/*' } }, { 'aws:referer': 'http://a/b' }, true],
    [{ StringNotLike: { 'aws:Referer': 'http://a/*' } }, { 'aws:referer': 'http://a/b' }, false],
    [{ StringLike: { 's3:prefix': ['', 'home/${aws:username}/*'] } }, { 's3:prefix': 'home/me/x', 'aws:username': 'me' }, true],
    [{ StringLike: { 's3:prefix': ['home/${aws:username}/*'] } }, { 's3:prefix': 'home/' }, false],
    [{ NumericLessThanEquals: { 's3:max-keys': '10' } }, { 's3:max-keys': '10' }, true],
    [{ NumericLessThan: { 's3:max-keys': 10 } }, { 's3:max-keys': '10' }, false],
    [{ NumericGreaterThan: { 's3:max-keys': '10' } }, { 's3:max-keys': '1e9' }, false],
    [{ NumericNotEquals: { 's3:max-keys': '10' } }, { 's3:max-keys': '11' }, true],
    [{ DateGreaterThan: { 'aws:CurrentTime': '2024-01-01T00:00:00Z' } }, { 'aws:currenttime': '2024-01-01T00:00:01Z' }, true],
    [{ DateLessThan: { 'aws:CurrentTime': '2024-01-01' } }, { 'aws:currenttime': '2024-01-01T00:00:01Z' }, false],
    [{ DateEquals: { 'aws:EpochTime': '1704067200' } }, { 'aws:epochtime': '2024-01-01T00:00:00Z' }, true],
    [{ Bool: { 'aws:SecureTransport': 'false' } }, { 'aws:securetransport': 'false' }, true],
    [{ Bool: { 'aws:SecureTransport': true } }, { 'aws:securetransport': 'false' }, false],
    [{ IpAddress: { 'aws:SourceIp': ['192.168.0.0/16', '10.0.0.0/8'] } }, ip, true],
    [{ IpAddress: { 'aws:SourceIp': '11.0.0.0/8' } }, ip, false],
    [{ NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } }, ip, false],
    [{ NotIpAddress: { 'aws:SourceIp': '11.0.0.0/8' } }, ip, true],
    [{ ArnLike: { 'aws:SourceArn': 'arn:aws:s3:*:*:b?' } }, { 'aws:sourcearn': 'arn:aws:s3:::bx' }, true],
    [{ ArnLike: { 'aws:SourceArn': 'arn:*' } }, { 'aws:sourcearn': 'arn:aws:s3:::bx' }, false],
    [{ ArnNotEquals: { 'aws:SourceArn': 'arn:aws:s3:::b*' } }, { 'aws:sourcearn': 'arn:aws:s3:::bx' }, false],
    [{ Null: { 'aws:Referer': 'true' } }, {}, true],
    [{ Null: { 'aws:Referer': 'true' } }, { 'aws:referer': '' }, false],
    [{ Null: { 'aws:Referer': false } }, { 'aws:referer': '' }, true],
    [{ 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a', 'b', 'c'] } }, tags, true],
    [{ 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a'] } }, tags, false],
    [{ 'ForAllValues:StringEquals': { 's3:RequestObjectTagKeys': ['a'] } }, {}, true],
    [{ 'ForAnyValue:StringEquals': { 's3:RequestObjectTagKeys': ['b', 'z'] } }, tags, true],
    [{ 'ForAnyValue:StringEquals': { 's3:RequestObjectTagKeys': ['z'] } }, tags, false],
    [{ 'ForAnyValue:StringEquals': { 's3:RequestObjectTagKeys': ['z'] } }, {}, false],
    [{ 'ForAnyValue:StringNotEquals': { 's3:RequestObjectTagKeys': ['a'] } }, tags, true],
    [{ StringEquals: { 'aws:Referer': 'x' }, Bool: { 'aws:SecureTransport': 'true' } }, { 'aws:referer': 'x' }, false],
    [{}, {}, true],
  ]
  for (const [Condition, values, expected] of cases) {
    const found = ask(policyOf({ ...ALLOW, Condition }), { values: values ?? {} })
    assert.equal(found, expected ? 'allow' : 'neither', `${JSON.stringify(Condition)} ${JSON.stringify(values)}`)
  }
})

test('what is wrong in a policy is said', () => {
  const cases: readonly [unknown, RegExp][] = [
    ['not JSON', /not JSON/],
    [[], /not a JSON object/],
    [{ Version: '2012-10-17' }, /no Statement/],
    [{ Statement: [] }, /no Statement/],
    [{ Version: '2013-01-01', Statement: ALLOW }, /Version is "2013-01-01"/],
    [{ Version: '2012-10-17', Statement: ALLOW, Extra: 1 }, /element "Extra"/],
    [{ Statement: [ALLOW, 'x'] }, /statement 2: it is not an object/],
    [{ Statement: { ...ALLOW, Effect: 'allow' } }, /Effect is "allow"/],
    [{ Statement: { ...ALLOW, Principle: '*' } }, /element "Principle"/],
    [{ Statement: { ...ALLOW, Principal: undefined } }, /no Principal/],
    [{ Statement: { ...ALLOW, NotPrincipal: '*' } }, /both Principal and NotPrincipal/],
    [{ Statement: { ...ALLOW, Principal: undefined, NotPrincipal: '*' } }, /NotPrincipal with Allow/],
    [{ Statement: { ...ALLOW, Principal: 'anna' } }, /Principal is "anna"/],
    [{ Statement: { ...ALLOW, Principal: { AWS: 'anna' } } }, /principal "anna"/],
    [{ Statement: { ...ALLOW, Principal: { AWS: [] } } }, /Principal.AWS is empty/],
    [{ Statement: { ...ALLOW, Action: 's3:GetObjekt' } }, /action "s3:getobjekt"/],
    [{ Statement: { ...ALLOW, Action: 'ec2:*' } }, /action "ec2:\*"/],
    [{ Statement: { ...ALLOW, Action: undefined } }, /no Action/],
    [{ Statement: { ...ALLOW, Resource: 'b/*' } }, /resource "b\/\*"/],
    [{ Statement: { ...ALLOW, Resource: [1] } }, /Resource is 1/],
    [{ Statement: { ...ALLOW, Condition: 'x' } }, /Condition is "x"/],
    [{ Statement: { ...ALLOW, Condition: { StringEqual: { 'aws:Referer': 'x' } } } }, /operator "StringEqual"/],
    [{ Statement: { ...ALLOW, Condition: { StringEquals: 'x' } } }, /Condition.StringEquals is "x"/],
    [{ Statement: { ...ALLOW, Condition: { StringEquals: { Referer: 'x' } } } }, /condition key "referer"/],
    [{ Statement: { ...ALLOW, Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/99' } } } }, /"10.0.0.0\/99"/],
    [{ Statement: { ...ALLOW, Condition: { NumericEquals: { 's3:max-keys': 'x' } } } }, /a number/],
    [{ Statement: { ...ALLOW, Condition: { DateEquals: { 'aws:CurrentTime': 'now' } } } }, /a date/],
    [{ Statement: { ...ALLOW, Condition: { Bool: { 'aws:SecureTransport': 'yes' } } } }, /true or false/],
    [{ Statement: { ...ALLOW, Condition: { NullIfExists: { 'aws:Referer': 'true' } } } }, /operator "NullIfExists"/],
    [{ Statement: { ...ALLOW, Condition: { StringEquals: { 'aws:Referer': [] } } } }, /has no value/],
    [{ Statement: { ...ALLOW, Resource: `arn:aws:s3:::${'b'.repeat(MAX_POLICY_BYTES)}` } }, /20480 are allowed/],
  ]
  for (const [document, message] of cases) {
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    assert.throws(
      () => parsePolicy(text, vocabulary),
      (error) => isShoalError(error, 'INVALID_ARGUMENT') && message.test(error.message),
      `${text.slice(0, 200)} ${message}`,
    )
  }
})

test('public is what lets in people whom nobody has named', () => {
  const cases: readonly [object, boolean][] = [
    [{}, true],
    [{ Effect: 'Deny' }, false],
    [{ Principal: { AWS: '*' } }, true],
    [{ Principal: { AWS: 'arn:aws:iam::s3tenant1:root' } }, false],
    [{ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/32' } } }, false],
    [{ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/7' } } }, true],
    [{ Condition: { IpAddress: { 'aws:SourceIp': ['10.0.0.0/32', '0.0.0.0/0'] } } }, true],
    [{ Condition: { IpAddressIfExists: { 'aws:SourceIp': '10.0.0.0/32' } } }, true],
    [{ Condition: { NotIpAddress: { 'aws:SourceIp': '10.0.0.0/32' } } }, true],
    [{ Condition: { StringEquals: { 'aws:username': 'anna' } } }, false],
    [{ Condition: { StringLike: { 'aws:username': '*' } } }, true],
    [{ Condition: { StringEquals: { 'aws:username': '${aws:userid}' } } }, true],
    [{ Condition: { StringEquals: { 'aws:Referer': 'x' } } }, true],
    [{ Condition: { StringEquals: { 's3:prefix': 'x' } } }, true],
  ]
  for (const [changes, expected] of cases)
    assert.equal(isPublicPolicy(policyOf({ ...ALLOW, ...changes })), expected, JSON.stringify(changes))
})

const wild = fc.constantFrom('*', 's3:*', 's3:Get*', 's3:GetObject', 's3:?utObject', 's3:ListBucket')
const statement = fc.record({
  Effect: fc.constantFrom('Allow', 'Deny'),
  Principal: fc.constantFrom('*', { AWS: 'arn:aws:iam:::user/anna' }, { AWS: 'arn:aws:iam:::user/bert' }),
  Action: fc.oneof(wild, fc.array(wild, { minLength: 1, maxLength: 3 })),
  Resource: fc.constantFrom('*', 'arn:aws:s3:::b', 'arn:aws:s3:::b/*', 'arn:aws:s3:::b/a*', 'arn:aws:s3:::*/k'),
  Condition: fc.constantFrom({}, { StringEquals: { 'aws:Referer': 'x' } }, { Null: { 'aws:Referer': 'true' } }),
})
const asked = fc.record({
  who: fc.constantFrom(anna, nobody),
  action: fc.constantFrom(...vocabulary.actions),
  resource: fc.constantFrom('arn:aws:s3:::b', 'arn:aws:s3:::b/k', 'arn:aws:s3:::b/ab'),
  values: fc.constantFrom({}, { 'aws:referer': 'x' }),
})

test('the order of statements means nothing, a denial always wins, and more of them never allow more', () => {
  fc.assert(
    fc.property(fc.array(statement, { minLength: 1, maxLength: 6 }), asked, fc.nat(), (statements, question, seed) => {
      const together = ask(policyOf(...statements), question)
      const turn = seed % statements.length
      assert.equal(ask(policyOf(...statements.slice(turn), ...statements.slice(0, turn)), question), together)
      assert.equal(ask(policyOf(...statements.toReversed()), question), together)
      const alone = statements.map((one) => ask(policyOf(one), question))
      const expected = alone.includes('deny') ? 'deny' : alone.includes('allow') ? 'allow' : 'neither'
      assert.equal(together, expected)
    }),
    { numRuns: 500 },
  )
})
