import type { Files, OpenFile } from '#platform/files.ts'
import { publishThrough } from '#platform/publish.ts'

/** Files on a medium that takes its time. */
export function slowFiles(files: Files, delay: () => Promise<void>): Files {
  const slow: Files = {
    async open(...how) {
      await delay()
      return slowFile(await files.open(...how), delay)
    },
    async read(path) {
      await delay()
      return files.read(path)
    },
    publish: (...what) => publishThrough(slow, ...what),
    async rename(from, to) {
      await delay()
      return files.rename(from, to)
    },
    async remove(path) {
      await delay()
      return files.remove(path)
    },
    list: (path) => files.list(path),
    facts: (path) => files.facts(path),
    setModified: (path, modifiedMs) => files.setModified(path, modifiedMs),
    createFolder: (path, mode) => files.createFolder(path, mode),
    makeFolder: (path, mode) => files.makeFolder(path, mode),
    async syncFolder(path) {
      await delay()
      return files.syncFolder(path)
    },
    space: (path) => files.space(path),
  }
  return slow
}

function slowFile(file: OpenFile, delay: () => Promise<void>): OpenFile {
  const slow: OpenFile = {
    path: file.path,
    async read(target, position) {
      await delay()
      return file.read(target, position)
    },
    async write(pieces, position) {
      await delay()
      return file.write(pieces, position)
    },
    async writeThrough(pieces, position) {
      await slow.write(pieces, position)
      await slow.datasync()
    },
    async datasync() {
      await delay()
      return file.datasync()
    },
    truncate: (sizeBytes) => file.truncate(sizeBytes),
    facts: () => file.facts(),
    setModified: (modifiedMs) => file.setModified(modifiedMs),
    tryLock: () => file.tryLock(),
    close: () => file.close(),
  }
  return slow
}
