import { X509Certificate } from 'node:crypto'
import { ShoalError, isShoalError } from '#foundation/errors.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import { adoptCluster } from '#platform/data-folder.ts'
import type { DataFolder } from '#platform/data-folder.ts'
import type { Connector, SocketAddress, SocketSecurity } from '#platform/sockets.ts'
import { WirePeers } from '#wire/peers.ts'
import { readBounded } from '#wire/read-bounded.ts'
import { ClusterIdentity } from './identity.ts'
import type { IdentityPorts } from './identity.ts'
import { fingerprintOf, publishIdentity, readIdentity } from './identity-file.ts'
import type { IdentityRecord } from './identity-file.ts'
import { JOIN_ANSWER_BYTES_MAX, JOIN_METHOD, identityOf, openAnswer, proofOf } from './join-messages.ts'
import type { JoinAnswer } from './join-messages.ts'
import { decodeJoinToken, tokenIdOf, verifierOf } from './join-token.ts'
import type { JoinToken } from './join-token.ts'

/** For one address: connecting, and the answer. */
const ANSWER_MS_MAX = 20_000

export interface JoinPorts extends IdentityPorts {
  /** The certificates that are shown at an address, in DER, believed by nobody yet. */
  presentedCertificates(address: SocketAddress, signal?: AbortSignal): Promise<readonly Buffer[]>
  makeConnector(security: SocketSecurity): Connector
}

export interface JoinOptions {
  readonly folder: DataFolder
  /** The line that `shoal cluster token` printed. */
  readonly token: string
  /** Where to ask: those that the token names unless given. */
  readonly addresses?: readonly SocketAddress[]
  /** The version of Shoal. */
  readonly software: string
  /** Without TLS: the token alone proves who is who, and seals the answer. */
  readonly isPlain?: boolean
  /** Whether the folder holds anything that would be lost: it stays with the cluster that it belongs to then. */
  hasData(): boolean | Promise<boolean>
  /** Makes durable what the others wanted this node to know: before it counts as joined, so that it never belongs to a
   *  cluster without knowing it. Cut off in between, the next join does it again. */
  keepBootstrap?(bootstrap: Buffer): Promise<void>
}

export interface Joined {
  readonly identity: ClusterIdentity
  /** The data folder, now of the cluster that was joined. */
  readonly folder: DataFolder
  /** Nodes to talk to first, and what they wanted the new one to know: nothing if it had joined before. */
  readonly seeds: readonly SocketAddress[]
  readonly bootstrap: Buffer | undefined
}

/** Makes this node one of the cluster that the token is for. Durable when the promise resolves; cut off at any moment, the folder is as
 *  it was, or the node has joined. Joining the cluster to which it belongs already does nothing, and needs nobody.
 *  @throws INVALID_ARGUMENT, UNAUTHENTICATED, FORBIDDEN, CONFLICT, UNAVAILABLE, NO_SPACE, STORAGE_FAILED */
export async function joinCluster(options: JoinOptions, ports: JoinPorts): Promise<Joined> {
  const { folder } = options
  const token = decodeJoinToken(options.token)
  const kept = await readIdentity(ports.files, folder.path)
  if (kept?.name.clusterId === token.clusterId && kept.name.nodeId === folder.nodeId) {
    const identity = await ClusterIdentity.open(folder, ports)
    return { identity, folder: { ...folder, clusterId: token.clusterId }, seeds: token.addresses, bootstrap: undefined }
  }
  await checkMayJoin(options, token, ports.clock.nowMs())
  const { record, answer } = await ask(options, token, ports)
  await options.keepBootstrap?.(answer.bootstrap)
  // This decides; the folder follows, at the next start if it has to.
  await publishIdentity(ports.files, folder.path, record)
  const adopted = await adoptCluster(folder, token.clusterId, ports.files)
  ports.log.info('joined a cluster', { clusterId: token.clusterId, fingerprint: token.fingerprint })
  return {
    identity: await ClusterIdentity.open(adopted, ports),
    folder: adopted,
    seeds: answer.seeds,
    bootstrap: answer.bootstrap,
  }
}

async function checkMayJoin({ folder, hasData }: JoinOptions, token: JoinToken, nowMs: number): Promise<void> {
  if (token.expiresMs <= nowMs)
    throw new ShoalError(
      'UNAUTHENTICATED',
      `The join token has run out at ${new Date(token.expiresMs).toISOString()}: make another one with "shoal cluster token"`,
    )
  if (folder.clusterId !== token.clusterId && (await hasData()))
    throw new ShoalError(
      'CONFLICT',
      `The data folder "${folder.path}" belongs to cluster ${folder.clusterId} and holds data, so it can't join cluster ${token.clusterId}. Name another folder with --data, and copy what is to be kept`,
    )
}

/** Asks one address after the other. The first one that refuses has more to say than one that can't be reached. */
async function ask(
  options: JoinOptions,
  token: JoinToken,
  ports: JoinPorts,
): Promise<{ record: IdentityRecord; answer: JoinAnswer }> {
  let told: Error | undefined
  for (const address of options.addresses ?? token.addresses) {
    try {
      return await askOne(options, token, address, ports)
    } catch (error) {
      if (told === undefined || isShoalError(told, 'UNAVAILABLE')) told = error as Error
    }
  }
  throw told ?? new ShoalError('INVALID_ARGUMENT', 'There is no address to join at')
}

async function askOne(
  { folder, software, isPlain = false }: JoinOptions,
  token: JoinToken,
  address: SocketAddress,
  ports: JoinPorts,
): Promise<{ record: IdentityRecord; answer: JoinAnswer }> {
  const { makeRequest } = await import('./certificates.ts')
  const name = { clusterId: token.clusterId, nodeId: folder.nodeId }
  const { request, key } = await makeRequest(name)
  const verifier = verifierOf(token.secret)
  const nonce = ports.random.bytes(16).toString('hex')
  const said = { tokenId: tokenIdOf(verifier), ...name, request, nonce }
  const security = isPlain ? 'plain' : { authority: await findAuthority(token, address, ports) }
  const { clock, random } = ports
  const peers = new WirePeers({ connector: ports.makeConnector(security), clock, random, identity: { ...name, software } })
  try {
    const header = { ...said, proof: proofOf(verifier, said).toString('hex') }
    const { body } = await peers.call(address, JOIN_METHOD, { header, deadlineMs: ANSWER_MS_MAX })
    const answer = openAnswer(
      await readBounded(body, { maxBytes: JOIN_ANSWER_BYTES_MAX, what: 'The answer to the join' }),
      verifier,
      nonce,
    )
    const record = identityOf(answer, nodeUri(name), key)
    if (fingerprintOf(record.authority.certificate) !== token.fingerprint) throw foreign(address)
    return { record, answer }
  } finally {
    await peers.close()
  }
}

/** The certificate of the cluster's authority, which the node at `address` shows: known by its fingerprint. PEM. */
async function findAuthority(token: JoinToken, address: SocketAddress, ports: JoinPorts): Promise<string> {
  let shown: readonly Buffer[]
  const done = new AbortController()
  const late = new AbortController()
  ports.clock.sleep(ANSWER_MS_MAX, done.signal).then(
    () => late.abort(new ShoalError('TIMEOUT', `no answer within ${ANSWER_MS_MAX} ms`)),
    () => undefined,
  )
  try {
    shown = await ports.presentedCertificates(address, late.signal)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code?.startsWith('ERR_SSL_') === true) throw noNodePort(address, token, { cause })
    throw new ShoalError(
      'UNAVAILABLE',
      `Cannot reach a node at ${address.host}:${address.port} to join: ${(cause as Error).message}`,
      { cause },
    )
  } finally {
    done.abort()
  }
  const authority = shown.find((certificate) => fingerprintOf(certificate) === token.fingerprint)
  if (authority === undefined) throw isOfNode(shown) ? foreign(address) : noNodePort(address, token)
  return new X509Certificate(authority).toString()
}

/** As every node of any cluster shows it: its name, and behind it its authority. Doors for clients show other names, and the ports of etcd no
 *  authority. */
function isOfNode([own, authority]: readonly Buffer[]): boolean {
  return own !== undefined && authority !== undefined && /\bURI:shoal:\/\//.test(new X509Certificate(own).subjectAltName ?? '')
}

function noNodePort(
  { host, port }: SocketAddress,
  { addresses }: JoinToken,
  options: { readonly cause?: unknown } = {},
): ShoalError {
  const made = addresses.map((address) => `${address.host}:${address.port}`).join(', ')
  return new ShoalError(
    'UNAVAILABLE',
    `${host}:${port} is not the port for nodes of a Shoal node. That is the base port + 2 (7402 unless --port says otherwise), as "shoal node list" shows it; the token was made at ${made}`,
    options,
  )
}

function foreign({ host, port }: SocketAddress): ShoalError {
  return new ShoalError(
    'UNAUTHENTICATED',
    `The node at ${host}:${port} is not of the cluster that the join token is for: its authority has another fingerprint`,
  )
}
