// What a node that joins has to know besides its identity, so that it answers with the cluster's keys: `bootstrap` of
// docs/formats/join-token.md.

import { keySealPath } from '#access/key-seal.ts'
import type { Credentials } from '#access/principal.ts'
import { readRootCredentials, rootCredentialsPath } from '#access/root-credentials.ts'
import { assert } from '#foundation/assert.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import { contentKeyPath } from '#volume/content-cipher.ts'
import {
  decodeMetadataMode,
  encodeMetadataMode,
  HOME_MODE,
  modeForJoining,
  publishMetadataMode,
  readMetadataMode,
} from './metadata-mode.ts'
import { publishKnownNodes } from './known-nodes.ts'
import type { KnownNodesRecord } from './known-nodes.ts'

export interface ClusterSecrets {
  readonly rootAccessKey: string
  readonly rootSecretKey: string
  /** 32 bytes each, in base64. */
  readonly keySeal: string
  readonly contentKey: string
}

interface Bootstrap extends ClusterSecrets {
  readonly format: 1
  readonly home: NodeId
  readonly removed: readonly NodeId[]
  /** Where the metadata is agreed on, as the file of the data folder has it. */
  readonly metadata: unknown
}

const KEY_BYTES = 32

/** @param configured the root key that this node was started with, if it isn't the one in its folder
 *  @throws DATA_FORMAT, STORAGE_FAILED */
export async function readBootstrap(
  dataPath: string,
  cluster: Pick<KnownNodesRecord, 'home' | 'removed'>,
  { files, configured }: { readonly files: Files; readonly configured: Credentials | undefined },
): Promise<Buffer> {
  const secrets = await readSecrets(dataPath, { files, configured })
  const bootstrap: Bootstrap = {
    metadata: encodeMetadataMode(modeForJoining(await readMetadataMode(files, dataPath))),
    format: 1,
    home: cluster.home,
    removed: cluster.removed,
    ...secrets,
  }
  return Buffer.from(JSON.stringify(bootstrap))
}

/** Of a node that runs. @throws DATA_FORMAT, STORAGE_FAILED */
export async function readSecrets(
  dataPath: string,
  { files, configured }: { readonly files: Files; readonly configured: Credentials | undefined },
): Promise<ClusterSecrets> {
  const [root, keySeal, contentKey] = await Promise.all([
    configured ?? readRootCredentials(dataPath, files),
    files.read(keySealPath(dataPath)),
    files.read(contentKeyPath(dataPath)),
  ])
  assert(root !== undefined && keySeal !== undefined && contentKey !== undefined, 'a node that runs has all its keys')
  return {
    rootAccessKey: root.accessKey,
    rootSecretKey: root.secretKey,
    keySeal: keySeal.toString('base64'),
    contentKey: contentKey.toString('base64'),
  }
}

/** Puts it into the folder of the node that joins, in place of what it had. Durable when the promise resolves.
 *  @throws UNSUPPORTED if it is of a release that this one doesn't know; NO_SPACE, STORAGE_FAILED */
export async function keepBootstrap(
  dataPath: string,
  bytes: Buffer,
  { files, ...cluster }: Pick<KnownNodesRecord, 'clusterId' | 'nodes'> & { readonly files: Files },
): Promise<void> {
  const bootstrap = decode(bytes)
  await keepSecrets(dataPath, bootstrap, files)
  try {
    await publishMetadataMode(files, dataPath, decodeMetadataMode(bootstrap.metadata) ?? HOME_MODE)
  } catch (cause) {
    throw storageError(cause, `keep the keys of the cluster in "${dataPath}"`)
  }
  await publishKnownNodes(dataPath, { ...cluster, home: bootstrap.home, removed: bootstrap.removed }, files)
}

/** The keys that contents and access keys are sealed with, and the root key, in place of what the folder had. Durable when the promise
 *  resolves. @throws NO_SPACE, STORAGE_FAILED */
export async function keepSecrets(dataPath: string, bootstrap: ClusterSecrets, files: Files): Promise<void> {
  const root = { accessKey: bootstrap.rootAccessKey, secretKey: bootstrap.rootSecretKey }
  const secrets: readonly (readonly [path: string, content: Buffer])[] = [
    [rootCredentialsPath(dataPath), Buffer.from(`${JSON.stringify(root, undefined, 2)}\n`)],
    [keySealPath(dataPath), Buffer.from(bootstrap.keySeal, 'base64')],
    [contentKeyPath(dataPath), Buffer.from(bootstrap.contentKey, 'base64')],
  ]
  try {
    for (const [path, content] of secrets) await files.publish(path, [content], { mode: 0o600 })
  } catch (cause) {
    throw storageError(cause, `keep the keys of the cluster in "${dataPath}"`)
  }
}

function decode(bytes: Buffer): Bootstrap {
  const value = JSON.parse(bytes.toString('utf8')) as Partial<Bootstrap>
  const { format, home, removed, rootAccessKey, rootSecretKey, keySeal, contentKey } = value
  const isRight =
    format === 1 &&
    typeof home === 'string' &&
    Array.isArray(removed) &&
    (value.metadata === undefined || decodeMetadataMode(value.metadata) !== undefined) &&
    typeof rootAccessKey === 'string' &&
    typeof rootSecretKey === 'string' &&
    [keySeal, contentKey].every((key) => Buffer.from(String(key), 'base64').length === KEY_BYTES)
  if (isRight) return value as Bootstrap
  throw new ShoalError(
    'UNSUPPORTED',
    'The node that let this one join runs another release of Shoal, and what it says makes no sense to this one. Use the same release',
  )
}
