// Runs an etcd until it is killed, and says the number of its process: managed-etcd.child.ts DATA PORT
import { silentLog } from '#observe/log.ts'
import type { NodeId } from '#foundation/ids.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { NodeProcesses } from '#platform/node-processes.ts'
import { EtcdSupervisor } from './etcd-supervisor.ts'

const [dataPath = '', port = ''] = process.argv.slice(2)
const supervisor = new EtcdSupervisor({
  processes: new NodeProcesses(),
  files: nodeFiles,
  clock: nodeClock,
  log: silentLog,
  dataPath,
})
await supervisor.start(
  {
    nodeId: 'one' as NodeId,
    clusterId: 'cluster',
    listenHost: '127.0.0.1',
    host: '127.0.0.1',
    clientPort: Number(port),
    peerPort: Number(port) + 1,
  },
  (await supervisor.hasData()) ? 'resume' : 'found',
)
if (supervisor.state.kind === 'running') console.log(supervisor.state.pid)
