import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { configFlags, describeConfig } from './describe-config.ts'
import { loadConfig, type ConfigSources } from './load-config.ts'

type Given = Partial<Pick<ConfigSources, 'flags' | 'env' | 'configPath'>> & { files?: Record<string, string> }

function load({ files = {}, flags = {}, env = {}, configPath }: Given = {}) {
  const read = async (path: string) => (files[path] === undefined ? undefined : Buffer.from(files[path]))
  return loadConfig({ flags, env, cwd: '/home/someone', configPath, files: { read } })
}

test('with nothing given, the node keeps to itself', async () => {
  const { config, configPath, warnings } = await load()
  assert.equal(config.host, '127.0.0.1')
  assert.equal(config.port, 7400)
  assert.equal(config.data, '/home/someone/.shoal')
  assert.equal(config.insecure, false)
  assert.equal(config.limits.maxHeaderBytes, 65_536)
  assert.equal(config.rootAccessKey, undefined)
  assert.deepEqual([configPath, warnings], [undefined, []])
})

test('a flag beats the environment, the environment the file, the file the default', async () => {
  const file = { '/home/someone/.shoal/shoal.yaml': 'port: 1000\nlog:\n  level: warn\ngc:\n  graceMs: 2h\n' }
  const all = await load({ files: file, env: { SHOAL_PORT: '2000', SHOAL_LOG_LEVEL: 'error' }, flags: { port: '3000' } })
  assert.equal(all.config.port, 3000)
  assert.equal(all.config.log.level, 'error')
  assert.equal(all.config.gc.graceMs, 7_200_000)
  assert.equal(all.config.gc.intervalMs, 60_000)
  assert.deepEqual(all.origins.port, { kind: 'flag', flag: '--port' })
  assert.deepEqual(all.origins['log.level'], { kind: 'environment', variable: 'SHOAL_LOG_LEVEL' })
  assert.deepEqual(all.origins['gc.graceMs'], { kind: 'file', path: '/home/someone/.shoal/shoal.yaml' })
  assert.deepEqual(all.origins['gc.intervalMs'], { kind: 'default' })
})

test('the file is looked for in the data folder that flag or environment name', async () => {
  const files = { '/srv/a/shoal.yaml': 'port: 1', '/home/someone/b/shoal.yaml': 'port: 2' }
  assert.equal((await load({ files, flags: { data: '/srv/a' } })).config.port, 1)
  assert.equal((await load({ files, env: { SHOAL_DATA: 'b' } })).config.port, 2)
})

test('a file named by the user may say where the data is', async () => {
  const files = { '/home/someone/my.yaml': 'data: /srv/data\n' }
  const { config, configPath } = await load({ files, configPath: 'my.yaml' })
  assert.deepEqual([config.data, configPath], ['/srv/data', '/home/someone/my.yaml'])
  assert.equal((await load({ files, env: { SHOAL_CONFIG: 'my.yaml' } })).config.data, '/srv/data')
})

test('an empty file and empty sections change nothing', async () => {
  const files = { '/home/someone/.shoal/shoal.yaml': '# nothing yet\nlog:\n' }
  assert.deepEqual((await load({ files })).config, (await load()).config)
})

test('flags are taken by key and by name, undefined ones are as good as absent', async () => {
  const { config } = await load({
    flags: { 'log-level': 'debug', 'limits.maxHeaderBytes': '128KiB', port: undefined, insecure: true },
  })
  assert.equal(config.log.level, 'debug')
  assert.equal(config.limits.maxHeaderBytes, 131_072)
  assert.equal(config.insecure, true)
})

test('other addresses are served once --insecure says so', async () => {
  assert.equal((await load({ flags: { host: '0.0.0.0', insecure: true } })).config.host, '0.0.0.0')
  for (const host of ['127.0.0.2', '::1', 'localhost']) assert.equal((await load({ flags: { host } })).config.host, host)
})

test('an encrypted node needs no --insecure', async () => {
  const flags = { host: '0.0.0.0', 'tls-cert': 'a/cert.pem', 'tls-key': '/b/key.pem' }
  const { config } = await load({ flags })
  assert.deepEqual(config.tls, { cert: '/home/someone/a/cert.pem', key: '/b/key.pem', selfSigned: false })
  assert.equal((await load({ flags: { host: '0.0.0.0', 'tls-self-signed': true } })).config.tls.selfSigned, true)
})

test('nobody changes the configuration once it is read', async () => {
  const { config } = await load()
  assert.throws(() => Object.assign(config, { port: 1 }), TypeError)
  assert.throws(() => Object.assign(config.limits, { maxConnections: 1 }), TypeError)
})

test('a variable that looks like a setting and is none is warned about', async () => {
  const { warnings } = await load({ env: { SHOAL_LOG_LEVLE: 'debug', SHOAL_ENDPOINT: 'http://localhost:7400', PATH: '/bin' } })
  assert.deepEqual(warnings, ['The environment variable SHOAL_LOG_LEVLE is no setting; did you mean "SHOAL_LOG_LEVEL"?'])
})

test('shown are all keys with their origin, and no secret', async () => {
  const env = { SHOAL_ROOT_ACCESS_KEY: 'operator', SHOAL_ROOT_SECRET_KEY: 'correct-horse', SHOAL_GC_GRACE_MS: '90m' }
  const shown = describeConfig(await load({ env }))
  assert.deepEqual(
    shown.find(({ key }) => key === 'gc.graceMs'),
    { key: 'gc.graceMs', value: '90m', origin: 'the environment variable SHOAL_GC_GRACE_MS' },
  )
  assert.deepEqual(
    shown.filter(({ key }) => key.startsWith('root')).map(({ value }) => value),
    ['(set)', '(set)'],
  )
  assert.ok(!JSON.stringify(shown).includes('operator') && !JSON.stringify(shown).includes('horse'))
})

test('what is shown could be given as flags, and would mean the same', async () => {
  const { config } = await load()
  const shown = describeConfig(await load())
  const flags = Object.fromEntries(shown.filter(({ key }) => !/^root|Password$/.test(key)).map(({ key, value }) => [key, value]))
  assert.deepEqual((await load({ flags })).config, config)
  assert.deepEqual(
    configFlags()
      .filter(({ takesValue }) => !takesValue)
      .map(({ name }) => name),
    ['cluster', 'insecure', 'tls-self-signed'],
  )
})

const FILE = '/home/someone/.shoal/shoal.yaml'
const WRONG: readonly { readonly what: string; readonly given: Given; readonly says: readonly string[] }[] = [
  { what: 'an unknown key', given: { files: { [FILE]: 'prot: 1' } }, says: [FILE, '"prot"', 'did you mean "port"?'] },
  {
    what: 'an unknown key in a section',
    given: { files: { [FILE]: 'log: { levle: info }' } },
    says: ['"log.levle"', '"log.level"'],
  },
  {
    what: 'a key that resembles nothing',
    given: { files: { [FILE]: 'favouriteColour: blue' } },
    says: ['"favouriteColour", which is no setting'],
  },
  {
    what: 'a section that is a value',
    given: { files: { [FILE]: 'log: debug' } },
    says: ['"log"', '"debug"', 'settings are expected'],
  },
  { what: 'a list for a file', given: { files: { [FILE]: '- port' } }, says: [FILE, 'settings are expected'] },
  { what: 'a list for a value', given: { files: { [FILE]: 'port: [1]' } }, says: ['"port" is [1]', FILE] },
  { what: 'nothing for a value', given: { files: { [FILE]: 'port:' } }, says: ['"port" is null', FILE] },
  { what: 'broken YAML', given: { files: { [FILE]: 'log: {' } }, says: [FILE, 'not valid YAML'] },
  { what: 'a key given twice', given: { files: { [FILE]: 'port: 1\nport: 2' } }, says: ['not valid YAML'] },
  {
    what: 'a secret in the file',
    given: { files: { [FILE]: 'rootSecretKey: correct-horse' } },
    says: ['"rootSecretKey"', 'environment'],
  },
  { what: 'a secret as a flag', given: { flags: { 'root-secret-key': 'x' } }, says: ['SHOAL_ROOT_SECRET_KEY'] },
  { what: 'data in the data folder', given: { files: { [FILE]: 'data: /srv' } }, says: ['can\'t set "data"'] },
  { what: 'a named file that is missing', given: { configPath: 'my.yaml' }, says: ['/home/someone/my.yaml'] },
  { what: 'an unknown flag', given: { flags: { prot: '1' } }, says: ['--prot', '"port"'] },
  {
    what: 'a port that is a word',
    given: { env: { SHOAL_PORT: 'http' } },
    says: ['"port" is "http"', 'SHOAL_PORT', '0 to 65530'],
  },
  { what: 'what Kubernetes sets', given: { env: { SHOAL_PORT: 'tcp://10.0.0.1:7400' } }, says: ['SHOAL_PORT', 'tcp://10.0.0.1'] },
  { what: 'a port too high', given: { flags: { port: '65534' } }, says: ['--port', '65534'] },
  { what: 'a port below zero', given: { flags: { port: '-1' } }, says: ['--port', '-1'] },
  { what: 'half a port', given: { files: { [FILE]: 'port: 1.5' } }, says: ['1.5'] },
  { what: 'an empty port', given: { env: { SHOAL_PORT: '' } }, says: ['"port" is ""'] },
  { what: 'an empty host', given: { env: { SHOAL_HOST: '' } }, says: ['"host" is ""'] },
  { what: 'an empty data folder', given: { flags: { data: '' } }, says: ['"data" is ""'] },
  { what: 'an unknown level', given: { flags: { 'log-level': 'loud' } }, says: ['"loud"', 'debug, info, warn, error'] },
  { what: 'a size without sense', given: { env: { SHOAL_LIMITS_MAX_HEADER_BYTES: 'lots' } }, says: ['"lots"', '8KiB to 1MiB'] },
  { what: 'a size too small', given: { flags: { 'limits.maxHeaderBytes': '1' } }, says: ['8KiB'] },
  { what: 'a duration without a unit', given: { files: { [FILE]: 'gc: { graceMs: 30 }' } }, says: ['"gc.graceMs" is 30', '30s'] },
  { what: 'a duration too long', given: { env: { SHOAL_UPLOADS_EXPIRY_MS: '366d' } }, says: ['1m to 365d'] },
  { what: 'neither true nor false', given: { env: { SHOAL_INSECURE: 'yes' } }, says: ['"insecure" is "yes"', 'true or false'] },
  { what: 'an address others can reach', given: { flags: { host: '0.0.0.0' } }, says: ['--host', '--insecure'] },
  { what: 'an address that only looks local', given: { flags: { host: '127.0.0.1.example.org' } }, says: ['--insecure'] },
  { what: 'a certificate without its key', given: { flags: { 'tls-cert': 'c' } }, says: ['"tls.cert"', '"tls.key"', 'together'] },
  { what: 'a key without its certificate', given: { env: { SHOAL_TLS_KEY: 'k' } }, says: ['SHOAL_TLS_KEY', '"tls.cert"'] },
  {
    what: 'two certificates',
    given: { flags: { 'tls-cert': 'c', 'tls-key': 'k', 'tls-self-signed': true } },
    says: ['--tls-self-signed', '--tls-cert', 'choose one'],
  },
  { what: 'an access key alone', given: { env: { SHOAL_ROOT_ACCESS_KEY: 'operator' } }, says: ['SHOAL_ROOT_SECRET_KEY', 'both'] },
  {
    what: 'a short secret',
    given: { env: { SHOAL_ROOT_ACCESS_KEY: 'operator', SHOAL_ROOT_SECRET_KEY: 'horse' } },
    says: ['"rootSecretKey" is not shown', '8 to 128'],
  },
]

for (const { what, given, says } of WRONG) {
  test(`refused is ${what}`, async () => {
    await assert.rejects(load(given), (error) => {
      assert.ok(isShoalError(error, 'INVALID_ARGUMENT'))
      for (const words of says) assert.ok(error.message.includes(words), `${words} is not in: ${error.message}`)
      assert.ok(!error.message.includes('horse'))
      return true
    })
  })
}

test('everything that is wrong is said at once', async () => {
  await assert.rejects(load({ flags: { port: 'x', 'log-level': 'y' }, env: { SHOAL_HOST: '' } }), (error: Error) => {
    assert.equal(error.message.split('\n').length, 4)
    return true
  })
})

test('where to join is one address or several, in text or as a list; a token is never shown', async () => {
  const { config } = await load({ flags: { join: ' a.example:7402, [2001:db8::2]:8402 ' }, env: { SHOAL_TOKEN: 'shoal1.abc' } })
  const expected = [
    { host: 'a.example', port: 7402 },
    { host: '2001:db8::2', port: 8402 },
  ]
  assert.deepEqual([config.join, config.token], [expected, 'shoal1.abc'])
  const files = { '/home/someone/.shoal/shoal.yaml': 'join:\n  - a.example:7402\n  - "[2001:db8::2]:8402"\n' }
  assert.deepEqual((await load({ files })).config.join, expected)
  const shown = describeConfig(await load({ flags: { token: 'shoal1.abc' } }))
  assert.equal(shown.find(({ key }) => key === 'token')?.value, '(set)')
  for (const join of ['a.example', 'a.example:0', 'a.example:70000', '2001:db8::2:7402', 'a b:1', '-:1:1'])
    await assert.rejects(load({ flags: { join } }), /"join" is .* allowed is at most 8 addresses/, join)
})

test('a node does everything unless some roles are named, each once', async () => {
  assert.deepEqual((await load()).config.role, ['store', 'meta', 'gateway'])
  assert.deepEqual((await load({ flags: { role: 'store, gateway' } })).config.role, ['store', 'gateway'])
  for (const role of ['store,store', 'cook', '']) await assert.rejects(load({ flags: { role } }), /"role" is/, role)
})

test('zone, address and room of a node are what others can be told', async () => {
  const { config } = await load({ flags: { zone: 'rack-1', advertise: '10.0.0.1', capacity: '1TiB' } })
  assert.deepEqual([config.zone, config.advertise, config.capacity], ['rack-1', '10.0.0.1', 2 ** 40])
  const none = (await load()).config
  assert.deepEqual([none.zone, none.advertise, none.capacity], ['default', undefined, undefined])
  for (const flags of [{ zone: 'a zone' }, { zone: 'z'.repeat(65) }, { advertise: 'http://a' }, { capacity: '1KiB' }] as const)
    await assert.rejects(load({ flags }), /is wrong/, JSON.stringify(flags))
})

test('an etcd of its own and one that somebody else runs are a choice, and what belongs together is given together', async () => {
  const both = { cluster: true, etcd: 'https://a:2379, http://[::1]:2379', port: '0', etcdUser: 'shoal' }
  await assert.rejects(load({ flags: both }), (error) => {
    assert.ok(isShoalError(error, 'INVALID_ARGUMENT'))
    for (const said of ['choose one', '"port" is 0', '"etcdUser" and "etcdPassword" belong together'])
      assert.ok(error.message.includes(said), said)
    return true
  })
  const { config } = await load({ flags: { etcd: both.etcd, etcdCa: 'ca.pem' } })
  assert.deepEqual(config.etcd, ['https://a:2379', 'http://[::1]:2379'])
  assert.equal(config.etcdCa, '/home/someone/ca.pem')
  await assert.rejects(load({ flags: { etcd: 'a:2379' } }), /such as https:\/\/etcd1/)
})
