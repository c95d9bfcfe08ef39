import process from 'node:process'
import { configFlags } from '#config/describe-config.ts'
import { loadConfig } from '#config/load-config.ts'
import type { Config } from '#config/settings.ts'
import type { RunningNode } from '#node/start-node.ts'
import type { Log } from '#observe/log.ts'
import type { Command, Invocation } from '../command.ts'
import { EXIT } from '../exit-code.ts'
import { readOptionalFile } from '../read-optional-file.ts'
import { serverFlags, serverOptions } from '../server-options.ts'
import { shoalVersion } from '../version.ts'

export const serve: Command = {
  usage: [''],
  description: [
    'Keeps everything in the data folder. The first start makes a root access key and prints it this once; it stays in root-credentials.json in that folder.',
    'With --tls-cert and --tls-key, or --tls-self-signed, all connections are encrypted. A replaced pair of files is taken within a minute, or at once after SIGHUP; connections stay open.',
    'SIGTERM and SIGINT let what is under way finish (shutdown.graceMs) and end the node; a second signal ends it at once. Settings also come from the file shoal.yaml in the data folder and from SHOAL_… variables: see docs/configuration.md.',
  ],
  options: serverOptions(configFlags()),
  connects: false,
  operands: { min: 0, max: 0 },
  examples: [
    { command: 'shoal serve', explains: 'a node with its data in ./.shoal, at http://127.0.0.1:7400' },
    { command: 'shoal serve --port 8400 --data /srv/shoal', explains: 'elsewhere' },
    { command: 'shoal serve --host 0.0.0.0 --tls-self-signed', explains: 'reachable by others, encrypted, for a trial' },
  ],
  async run(invocation) {
    const { options, io, output } = invocation
    const sources = {
      flags: serverFlags(options, configFlags()),
      env: io.env,
      cwd: process.cwd(),
      configPath: options.text('config'),
    }
    const { config, warnings } = await loadConfig({ ...sources, files: { read: readOptionalFile } })
    for (const warning of warnings) output.note(`shoal: ${warning}`)
    const log = await openLog(invocation, config)
    // The stores are heavy: nothing but this command waits for them.
    const [{ startNode }, { stopOnSignals }, { reloadOnHangup }, { markSeldom }, { waitForTurns }] = await Promise.all([
      import('#node/start-node.ts'),
      import('#node/stop-on-signals.ts'),
      import('#node/reload-on-hangup.ts'),
      import('#platform/node-heap.ts'),
      import('#platform/node-processes.ts'),
    ])
    markSeldom()
    await waitForTurns()
    const node = await startNode(config, { log, version: shoalVersion() })
    reloadOnHangup(node)
    await greet(invocation, node, config)
    if (invocation.signal.aborted) await node.stop()
    else {
      invocation.releaseSignals()
      await stopOnSignals(node, log)
    }
    return EXIT.ok
  },
}

async function openLog({ io, clock }: Invocation, config: Config): Promise<Log> {
  const { createPinoLog } = await import('#observe/pino-log.ts')
  const { level, format } = config.log
  const chosen = format === 'auto' ? (io.stderr.isTTY === true ? 'pretty' : 'json') : format
  return createPinoLog({ level, format: chosen, clock, write: (line) => io.stderr.write(line) })
}

async function greet({ output }: Invocation, node: RunningNode, config: Config): Promise<void> {
  const { url, s3Url, host, port, dataPath, nodeId, credentials, tls } = node
  const isNew = credentials.origin === 'made'
  if (output.json) {
    const keys = isNew ? { accessKey: credentials.accessKey, secretKey: credentials.secretKey } : {}
    const certificate = tls === undefined ? {} : { certificateFingerprint: tls.fingerprint }
    await output.value({ url, s3Url, host, port, dataPath, nodeId, ...certificate, ...keys })
  } else {
    await output.line(`Shoal ${shoalVersion()} serves ${dataPath}`)
    await output.line()
    await output.line(`  REST     ${url}/api/v1   (described at ${url}/api/v1/openapi.json)`)
    await output.line(`  S3       ${s3Url}`)
    await output.line(`  WebDAV   ${url}/dav/`)
    await output.line(`  health   ${url}/healthz, ${url}/readyz`)
    await output.line(`  metrics  ${url}/metrics`)
    if (tls?.origin === 'self-signed') {
      await output.line()
      await output.line('The certificate is signed by the node itself: tls-certificate.pem in the data folder. Its SHA-256:')
      await output.line(`  ${tls.fingerprint}`)
    }
    if (isNew) {
      await output.line()
      await output.line('The root key, shown this once and kept in root-credentials.json in the data folder:')
      await output.line(`  access key  ${credentials.accessKey}`)
      await output.line(`  secret key  ${credentials.secretKey}`)
    }
    // Whom a configured certificate is for, and who trusts it, isn't known here.
    if (tls?.origin !== 'configured') {
      await output.line()
      await output.line('Try it in another terminal:')
      for (const line of example(node, config)) await output.line(`  ${line}`)
    }
    await output.line()
  }
  await output.flush()
}

/** Two lines that work as they stand: the flags only where the defaults don't lead here. */
function example({ url, dataPath, tls }: RunningNode, config: Config): string[] {
  const isDefault = config.port === 7400 && config.host === '127.0.0.1' && tls === undefined
  const flags = [
    ...(isDefault ? [] : [`--endpoint ${url.replace(/\/\/(0\.0\.0\.0|\[::\])/, '//127.0.0.1')}`]),
    ...(dataPath === `${process.cwd()}/.shoal` ? [] : [`--data ${quoted(dataPath)}`]),
  ]
  const given = flags.length === 0 ? '' : ` ${flags.join(' ')}`
  return [
    `npx shoal volume create docs${given}`,
    `npx shoal cp README.md docs:/${given} && npx shoal cat docs:/README.md${given}`,
  ]
}

function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}
