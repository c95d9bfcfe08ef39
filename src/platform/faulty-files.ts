import type { Files, OpenFile } from './files.ts'
import { publishThrough } from './publish.ts'
import type { SeededRandom } from './seeded-random.ts'
import { systemError } from './system-error.ts'

export type FaultyOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'datasync'
  | 'truncate'
  | 'rename'
  | 'remove'
  | 'createFolder'
  | 'syncFolder'

/** `io-error`: nothing happens, EIO. `no-space`: nothing happens, ENOSPC. The short ones write a first part and then fail
 *  so: only a write has them. */
export type Fault = 'io-error' | 'no-space' | 'short-io-error' | 'short-no-space'

/** Asked before each operation; `undefined` lets it happen. */
export type FaultPlan = (operation: FaultyOperation, path: string) => Fault | undefined

/** Each of `operations` fails with the probability given, in one of the ways given. */
export function seededFaults(
  random: SeededRandom,
  options: { operations: readonly FaultyOperation[]; faults: readonly Fault[]; probability: number },
): FaultPlan {
  return (operation) => {
    if (!options.operations.includes(operation) || !random.chance(options.probability)) return undefined
    return options.faults[random.below(options.faults.length)]
  }
}

function failure(fault: Fault, operation: FaultyOperation, path: string): Error {
  return systemError(fault.endsWith('io-error') ? 'EIO' : 'ENOSPC', `${operation} "${path}" (planned fault)`)
}

/** Files on a medium that fails as planned. */
export function faultyFiles(files: Files, plan: FaultPlan): Files {
  function check(operation: FaultyOperation, path: string): void {
    const fault = plan(operation, path)
    if (fault !== undefined) throw failure(fault, operation, path)
  }

  const faulty: Files = {
    async open(path, how, mode) {
      check('open', path)
      return faultyFile(await files.open(path, how, mode), plan, check)
    },
    async read(path) {
      check('read', path)
      return files.read(path)
    },
    publish: (path, pieces, options) => publishThrough(faulty, path, pieces, options),
    async rename(from, to) {
      check('rename', to)
      return files.rename(from, to)
    },
    async remove(path) {
      check('remove', path)
      return files.remove(path)
    },
    list: (path) => files.list(path),
    facts: (path) => files.facts(path),
    setModified: (path, modifiedMs) => files.setModified(path, modifiedMs),
    async createFolder(path, mode) {
      check('createFolder', path)
      return files.createFolder(path, mode)
    },
    makeFolder: (path, mode) => files.makeFolder(path, mode),
    async syncFolder(path) {
      check('syncFolder', path)
      return files.syncFolder(path)
    },
    space: (path) => files.space(path),
  }
  return faulty
}

function faultyFile(file: OpenFile, plan: FaultPlan, check: (operation: FaultyOperation, path: string) => void): OpenFile {
  const { path } = file
  const faulty: OpenFile = {
    path,
    async read(target, position) {
      check('read', path)
      return file.read(target, position)
    },
    async write(pieces, position) {
      const fault = plan('write', path)
      if (fault?.startsWith('short')) {
        const bytes = Buffer.concat(pieces)
        await file.write([bytes.subarray(0, Math.floor(bytes.length / 2))], position)
      }
      if (fault !== undefined) throw failure(fault, 'write', path)
      return file.write(pieces, position)
    },
    async writeThrough(pieces, position) {
      await faulty.write(pieces, position)
      await faulty.datasync()
    },
    async datasync() {
      check('datasync', path)
      return file.datasync()
    },
    async truncate(sizeBytes) {
      check('truncate', path)
      return file.truncate(sizeBytes)
    },
    facts: () => file.facts(),
    setModified: (modifiedMs) => file.setModified(modifiedMs),
    tryLock: () => file.tryLock(),
    close: () => file.close(),
  }
  return faulty
}
