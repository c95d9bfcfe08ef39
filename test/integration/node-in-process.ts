// A node within the test's own process, on files that fail as the test wishes.

import { loadConfig } from '#config/load-config.ts'
import { startNode } from '#node/start-node.ts'
import type { RunningNode } from '#node/start-node.ts'
import { silentLog } from '#observe/log.ts'
import type { Files } from '#platform/files.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { ACCESS_KEY, SECRET_KEY } from '../support/node-process.ts'

export async function startInProcess(data: string, files: Files = nodeFiles): Promise<RunningNode> {
  const { config } = await loadConfig({
    flags: { data, port: '0', 'shutdown-grace-ms': '500ms' },
    env: { SHOAL_ROOT_ACCESS_KEY: ACCESS_KEY, SHOAL_ROOT_SECRET_KEY: SECRET_KEY },
    cwd: '/',
    files: nodeFiles,
  })
  return startNode(config, { log: silentLog, version: '0.0.0', files })
}
