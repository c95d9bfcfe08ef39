import { createServer } from 'node:net'
import type { AddressInfo, Server } from 'node:net'
import { ShoalError } from '#foundation/errors.ts'

export interface ListenAddress {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  /** Further threads of this process listen there too, and the kernel deals the connections out. The first one sees to it that
   *  nobody else does. */
  readonly shared?: 'first' | 'further'
}

/** Resolves when the server is bound. @throws UNAVAILABLE, naming the address */
export async function listenAt(server: Server, address: ListenAddress): Promise<{ host: string; port: number }> {
  const { host, shared } = address
  try {
    const port = shared === 'first' ? await claimPort(address) : address.port
    await bind(server, { port, host, reusePort: shared !== undefined })
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    const why = code === 'EADDRINUSE' ? 'the port is taken: stop what has it, or choose another with --port' : message
    throw new ShoalError('UNAVAILABLE', `Cannot listen on ${host}:${address.port}: ${why}`, { cause })
  }
  const bound = server.address() as AddressInfo
  return { host: bound.address, port: bound.port }
}

/** A listener that shares its port would be let in beside one of another node: so the port is taken alone first. */
async function claimPort({ host, port }: ListenAddress): Promise<number> {
  const server = createServer()
  await bind(server, { host, port })
  const bound = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return bound.port
}

async function bind(server: Server, options: { host: string; port: number; reusePort?: boolean }): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  server.once('error', reject)
  server.listen(options, resolve)
  await promise
  server.removeListener('error', reject)
}
