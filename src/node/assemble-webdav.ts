import type { BasicAuthenticator } from '#access/basic-authenticator.ts'
import type { Config } from '#config/settings.ts'
import { BodyGate } from '#gateway/http/body-gate.ts'
import type { DoorPlace } from '#gateway/http/server.ts'
import { WebdavDoor } from '#gateway/webdav/webdav-door.ts'
import type { Clock } from '#platform/clock.ts'
import type { Random } from '#platform/random.ts'
import type { GuardedVolumes } from '#volume/locks.ts'

/** The WebDAV door, at its own place, and at the top of the server for what clients ask there before anything else. */
export function assembleWebdav(parts: {
  readonly config: Config
  readonly volumes: GuardedVolumes
  readonly authenticator: BasicAuthenticator
  readonly ports: { readonly clock: Clock; readonly random: Random }
}): readonly [DoorPlace, DoorPlace] {
  const { config, volumes, authenticator, ports } = parts
  const { maxBodyBytes, maxConcurrentUploads } = config.limits
  const uploads = new BodyGate(maxConcurrentUploads)
  const { clock, random } = ports
  const door = new WebdavDoor({ volumes, authenticator, clock, random, uploads, limits: { maxBodyBytes } })
  return [
    { prefix: '/dav', door },
    { prefix: '/', only: { path: '/', methods: ['OPTIONS', 'PROPFIND'] }, door },
  ]
}
