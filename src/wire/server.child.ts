// A node that streams without end, in a process of its own: a test kills it in the middle.

import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { NodeSockets } from '#platform/node-sockets.ts'
import { WireServer } from './server.ts'
import { SERVER_ID, identityOf } from './wire-fixture.suite.ts'

async function* endless(): AsyncGenerator<Buffer> {
  for (;;) yield Buffer.alloc(65_536)
}

const server = await WireServer.listen(
  { host: '127.0.0.1', port: 0 },
  {
    listeners: new NodeSockets('plain'),
    clock: nodeClock,
    log: silentLog,
    identity: identityOf(SERVER_ID),
    methods: { endless: { handle: async () => ({ body: endless() }) } },
  },
)
console.log(server.address.port)
