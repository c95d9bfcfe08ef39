// npm run conformance:s3 -- CHECKOUT [--only PATTERN] [--list FILE] [--python PROGRAM]: runs ceph/s3-tests from a checkout of it against a node
// of its own, and compares with test/conformance/s3-exceptions.yaml, which names every case that doesn't pass and why. Fails
// when another case doesn't pass. A case named there that passes is reported too, so that the list can be shortened.
// Needs python3 with boto3, pytest, munch and isodate: apt-get install python3-boto3 python3-pytest python3-munch python3-isodate python3-tz.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { parse } from 'yaml'
import { ownerId } from '#gateway/s3/owner.ts'
import { parseXml } from '#gateway/xml/parse-xml.ts'
import { AUTHORIZATION, freePort, type NodeProcess, startNodeProcess } from '../test/support/node-process.ts'

const EXCEPTIONS = new URL('../test/conformance/s3-exceptions.yaml', import.meta.url)
const SUITES = ['test_s3.py', 'test_headers.py']
const MODULES = ['boto3', 'pytest', 'munch', 'isodate', 'pytz']
/** Where the AWS command line is installed, boto3 signs with that one's library instead, which refuses what some cases send. */
const CLIENT = { AWS_CA_BUNDLE: '', BOTO_DISABLE_CRT: 'true' }
const DAY_SECONDS = 4
const RESULT_BYTES_MAX = 256 * 1024 * 1024

type Outcome = 'passed' | 'failed' | 'skipped'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string', short: 'k' },
    list: { type: 'string' },
    // Debian's, unless one with a newer boto3 is at hand.
    python: { type: 'string', default: '/usr/bin/python3' },
  },
})
const checkout = resolve(positionals[0] ?? '.')
if (positionals.length !== 1 || !existsSync(join(checkout, 's3tests', 'functional', 'test_s3.py')))
  stop('Say where a checkout of https://github.com/ceph/s3-tests is: npm run conformance:s3 -- ../s3-tests')
if (spawnSync(values.python, ['-c', `import ${MODULES.join(', ')}`]).status !== 0)
  stop('The suite needs: apt-get install python3-boto3 python3-pytest python3-munch python3-isodate python3-tz')

const work = mkdtempSync(join(tmpdir(), 'shoal-conformance-'))
const port = await freePort()
// As Ceph's gateway has it, for which the suite is written: with Amazon's default of today there are no access control lists.
// A day of a lifecycle rule is as long as the suite waits for one.
const flags = [
  '--s3-region',
  'default',
  '--s3-object-ownership',
  'ObjectWriter',
  '--lifecycle-interval-ms',
  '1s',
  '--lifecycle-day-ms',
  `${DAY_SECONDS}s`,
]
const node = await startNodeProcess({ data: join(work, 'data'), port, flags })
try {
  const configuration = join(work, 's3tests.conf')
  writeFileSync(configuration, await configure(node, port + 1))
  const outcomes = runSuite(configuration)
  report(outcomes)
} finally {
  await node.stop()
  rmSync(work, { recursive: true, force: true })
}

function stop(message: string): never {
  console.error(message)
  process.exit(2)
}

/** The configuration of the suite, with keys of three principals that are made on the node. */
async function configure({ origin }: NodeProcess, s3Port: number): Promise<string> {
  const sections = ['[DEFAULT]', 'host = 127.0.0.1', `port = ${s3Port}`, 'is_secure = False', 'ssl_verify = False']
  sections.push('[fixtures]', 'bucket prefix = shoal-{random}-', 'iam name prefix = s3-tests-', 'iam path prefix = /s3-tests/')
  for (const user of ['main', 'alt', 'tenant', 'iam', 'iam root', 'iam alt root']) {
    const name = `${user.replaceAll(' ', '-')}@example.com`
    const { accessKey, secretKey } = await makeKey(origin, name)
    sections.push(
      user.startsWith('iam') ? `[${user}]` : `[s3 ${user}]`,
      `display_name = ${name}`,
      `user_id = ${ownerId(name)}`,
      `email = ${name}`,
      'api_name = default',
      `access_key = ${accessKey}`,
      `secret_key = ${secretKey}`,
      ...(user === 'tenant' ? ['tenant = testx'] : []),
      ...(user === 'main' ? [`lc_debug_interval = ${DAY_SECONDS}`] : []),
    )
  }
  return `${sections.join('\n')}\n`
}

async function makeKey(origin: string, principal: string): Promise<{ accessKey: string; secretKey: string }> {
  const response = await fetch(`${origin}/api/v1/keys`, {
    method: 'POST',
    headers: { authorization: AUTHORIZATION, 'content-type': 'application/json' },
    body: JSON.stringify({ principal }),
  })
  if (response.status !== 201) throw new Error(`No key for ${principal}: ${response.status} ${await response.text()}`)
  return (await response.json()) as { accessKey: string; secretKey: string }
}

function runSuite(configuration: string): ReadonlyMap<string, Outcome> {
  const results = join(work, 'results.xml')
  const suites = SUITES.map((suite) => join('s3tests', 'functional', suite))
  const only = values.only === undefined ? [] : ['-k', values.only]
  const { status } = spawnSync(
    values.python,
    ['-m', 'pytest', '-q', '--tb=short', '-p', 'no:cacheprovider', `--junitxml=${results}`, ...only, ...suites],
    { cwd: checkout, stdio: 'inherit', env: { ...process.env, ...CLIENT, S3TEST_CONF: configuration } },
  )
  if (!existsSync(results)) stop(`pytest ended with ${status} and without results`)
  const document = parseXml(readFileSync(results), { maxBytes: RESULT_BYTES_MAX, maxElements: 1_000_000 })
  const outcomes = new Map<string, Outcome>()
  for (const suite of document.children) {
    for (const testCase of suite.children.filter(({ name }) => name === 'testcase')) {
      const names = new Set(testCase.children.map(({ name }) => name))
      const failed = names.has('failure') || names.has('error')
      outcomes.set(testCase.attributes.get('name') ?? '', failed ? 'failed' : names.has('skipped') ? 'skipped' : 'passed')
    }
  }
  return outcomes
}

/** Groups of cases that don't pass, each under its reason. */
function readExceptions(): ReadonlyMap<string, string> {
  const groups = (parse(readFileSync(EXCEPTIONS, 'utf8')) ?? {}) as Record<string, string[]>
  return new Map(Object.entries(groups).flatMap(([reason, names]) => names.map((name) => [name, reason] as const)))
}

function report(outcomes: ReadonlyMap<string, Outcome>): void {
  const named = (wanted: Outcome): string[] => [...outcomes].filter(([, outcome]) => outcome === wanted).map(([name]) => name)
  const failed = [...named('failed'), ...named('skipped')].toSorted()
  if (values.list !== undefined)
    writeFileSync(values.list, [...outcomes].map(([name, outcome]) => `${outcome} ${name}\n`).join(''))
  const exceptions = readExceptions()
  const unexpected = failed.filter((name) => !exceptions.has(name))
  const mended = named('passed').filter((name) => exceptions.has(name))
  console.log(`\n${named('passed').length} of ${outcomes.size} cases pass, ${named('skipped').length} skip themselves.`)
  if (mended.length > 0) console.log(`These pass now, and may leave the list of exceptions:\n  ${mended.join('\n  ')}`)
  if (unexpected.length === 0) return
  console.log(`These don't pass, and aren't among the exceptions:\n  ${unexpected.join('\n  ')}`)
  process.exitCode = 1
}
