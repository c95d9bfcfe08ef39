import { hostname, networkInterfaces } from 'node:os'
import type { Machine } from './machine.ts'

export const nodeMachine: Machine = {
  hostName: hostname(),
  addresses: () =>
    Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, address }) => !internal && !address.toLowerCase().startsWith('fe80:'))
      .map(({ address }) => address),
}
