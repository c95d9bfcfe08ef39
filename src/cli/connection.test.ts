import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { nodeMachine } from '#platform/node-machine.ts'
import { CONNECTION_OPTIONS } from './command.ts'
import { resolveConnection } from './connection.ts'
import { parseOptions } from './option-values.ts'

let home: string
let profiles: string

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'shoal-home-'))
  profiles = join(home, '.config', 'shoal', 'profiles.yaml')
  mkdirSync(join(home, '.config', 'shoal'), { recursive: true })
})

afterEach(() => rmSync(home, { recursive: true }))

function connect(args: string[], env: Record<string, string> = {}) {
  return resolveConnection(parseOptions('test', args, CONNECTION_OPTIONS).values, { HOME: home, ...env })
}

function writeProfiles(text: string, mode = 0o600): void {
  writeFileSync(profiles, text)
  chmodSync(profiles, mode)
}

const PEM = '-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n'
const KEYS = { SHOAL_ACCESS_KEY: 'env-key', SHOAL_SECRET_KEY: 'env-secret' }
const PROFILES =
  'default: { endpoint: "http://a:1", accessKey: ka, secretKey: sa }\nother: { endpoint: "http://b:2", accessKey: kb, secretKey: sb }\n'

test('flags win over the environment, and that over profiles, each value by itself', async () => {
  writeProfiles(PROFILES)
  assert.deepEqual(await connect([]), { endpoint: 'http://a:1', accessKey: 'ka', secretKey: 'sa' })
  assert.deepEqual(await connect(['--profile', 'other']), { endpoint: 'http://b:2', accessKey: 'kb', secretKey: 'sb' })
  assert.deepEqual(await connect([], { SHOAL_PROFILE: 'other' }), { endpoint: 'http://b:2', accessKey: 'kb', secretKey: 'sb' })
  assert.deepEqual(await connect([], KEYS), { endpoint: 'http://a:1', accessKey: 'env-key', secretKey: 'env-secret' })
  assert.deepEqual(await connect(['--endpoint', 'http://c:3', '--access-key', 'f'], KEYS), {
    endpoint: 'http://c:3',
    accessKey: 'f',
    secretKey: 'env-secret',
  })
})

test('without anything the node on this machine is meant, with the keys in its data folder', async () => {
  const data = join(home, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'root-credentials.json'), '{"accessKey":"root","secretKey":"s"}')
  const expected = { endpoint: 'http://127.0.0.1:7400', accessKey: 'root', secretKey: 's' }
  assert.deepEqual(await connect(['--data', data]), expected)
  assert.deepEqual(await connect([], { SHOAL_DATA: data }), expected)
})

test('a node at any address of this machine is a node on it: its keys and its certificate are known', async (t) => {
  const [address] = nodeMachine.addresses()
  if (address === undefined) return t.skip('this machine has no address but that of its loopback')
  const data = join(home, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'root-credentials.json'), '{"accessKey":"root","secretKey":"s"}')
  writeFileSync(join(data, 'tls-certificate.pem'), `${PEM}own`)
  const endpoint = `https://${address.includes(':') ? `[${address}]` : address}:7400`
  const { authorities, ...keys } = await connect(['--data', data, '--endpoint', endpoint])
  assert.deepEqual(keys, { endpoint, accessKey: 'root', secretKey: 's' })
  assert.equal(authorities?.at(-1), `${PEM}own`)
})

test('root credentials are not sent to another machine', async () => {
  const data = join(home, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'root-credentials.json'), '{"accessKey":"root","secretKey":"s"}')
  await assert.rejects(connect(['--data', data, '--endpoint', 'http://example.org']), (error) =>
    isShoalError(error, 'UNAUTHENTICATED'),
  )
  await assert.rejects(connect(['--data', data, '--endpoint', 'http://127.0.0.1.example.org']), (error) =>
    isShoalError(error, 'UNAUTHENTICATED'),
  )
})

test('a file with secrets that others can read is refused, and the message says what to do', async () => {
  writeProfiles(PROFILES, 0o640)
  await assert.rejects(
    connect([]),
    (error) => isShoalError(error, 'NOT_PERMITTED') && error.message.includes('chmod 600') && error.message.includes('0640'),
  )
})

const WRONG: readonly {
  readonly what: string
  readonly args?: string[]
  readonly env?: Record<string, string>
  readonly profiles?: string
  readonly says: RegExp
}[] = [
  {
    what: 'a profile that is not there',
    args: ['--profile', 'nope'],
    profiles: PROFILES,
    says: /no profile "nope".*default, other/,
  },
  { what: 'a profile without a file', args: ['--profile', 'nope'], says: /does not exist/ },
  { what: 'an unknown key in a profile', profiles: 'default: { secret: correct-horse }', says: /has "secret" in a profile/ },
  { what: 'a number for a key', profiles: 'default: { accessKey: 123, secretKey: correct-horse }', says: /must be text/ },
  { what: 'broken YAML', profiles: 'default: {', says: /not valid YAML/ },
  { what: 'half a pair', env: { SHOAL_ACCESS_KEY: 'x' }, says: /the secret key is missing/ },
]

for (const { what, args = [], env = {}, profiles: text, says } of WRONG) {
  test(`${what} is refused`, async () => {
    if (text !== undefined) writeProfiles(text)
    await assert.rejects(
      connect(args, env),
      (error) => isShoalError(error) && says.test(error.message) && !error.message.includes('horse'),
    )
  })
}

test('a broken file of root credentials is refused without showing it', async () => {
  const data = join(home, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'root-credentials.json'), 'correct-horse')
  await assert.rejects(
    connect(['--data', data]),
    (error) => isShoalError(error, 'UNAUTHENTICATED') && !error.message.includes('horse'),
  )
})

test('the file with the certificates to trust comes from the flag, else the environment, else the profile', async () => {
  for (const name of ['flag', 'env', 'profile']) writeFileSync(join(home, '.config/shoal', `${name}.pem`), `${PEM}${name}`)
  const path = (name: string) => join(home, '.config/shoal', `${name}.pem`)
  const https = ['--endpoint', 'https://files.example', '--access-key', 'k', '--secret-key', 's']
  writeProfiles('default: { caFile: profile.pem }\n')
  assert.deepEqual((await connect(https)).authorities, [`${PEM}profile`])
  assert.deepEqual((await connect(https, { SHOAL_CA_FILE: path('env') })).authorities, [`${PEM}env`])
  assert.deepEqual((await connect([...https, '--ca-file', path('flag')], { SHOAL_CA_FILE: path('env') })).authorities, [
    `${PEM}flag`,
  ])
  await assert.rejects(connect([...https, '--ca-file', join(home, 'none.pem')]), /There is no file/)
  writeFileSync(path('flag'), 'nothing')
  await assert.rejects(connect([...https, '--ca-file', path('flag')]), /holds no certificates/)
})

test("a certificate in the data folder is trusted for this machine's own node, beside those that are known, and for no other", async () => {
  const data = join(home, 'data')
  mkdirSync(data)
  writeFileSync(join(data, 'tls-certificate.pem'), PEM)
  const keys = ['--access-key', 'k', '--secret-key', 's', '--data', data]
  const here = (await connect(['--endpoint', 'https://127.0.0.1:7400', ...keys])).authorities
  assert.equal(here?.at(-1), PEM)
  assert.ok((here?.length ?? 0) > 50)
  assert.equal((await connect(['--endpoint', 'https://files.example', ...keys])).authorities, undefined)
  assert.equal((await connect(['--endpoint', 'http://127.0.0.1:7400', ...keys])).authorities, undefined)
})
