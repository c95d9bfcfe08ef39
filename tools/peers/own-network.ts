// A network of its own for what runs on "several machines": nothing gets out of it, and nothing comes in.

import { spawnSync } from 'node:child_process'
import { networkInterfaces } from 'node:os'

/** Documentation's own (RFC 5737, TEST-NET-2), on the loopback interface of such a network: for programs that want an address that isn't of 127.0.0.0/8. */
export const OWN_ADDRESS = '198.51.100.1'
const PREPARE = `ip link set lo up && ip address add ${OWN_ADDRESS}/32 dev lo && exec "$@"`

export function isInOwnNetwork(): boolean {
  return (networkInterfaces()['lo'] ?? []).some(({ address }) => address === OWN_ADDRESS)
}

/** Runs this program once more, with the same arguments, in such a network, and tells how it ended. Needs root, and unshare and ip (Debian: util-linux, iproute2). */
export function runInOwnNetwork(): number {
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const { status } = spawnSync('unshare', ['--net', 'sh', '-c', PREPARE, 'sh', ...again], { stdio: 'inherit' })
  return status ?? 1
}
