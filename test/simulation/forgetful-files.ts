import type { Files, OpenFile } from '#platform/files.ts'
import { publishThrough } from '#platform/publish.ts'
import { replacing } from './defects.ts'

/** Files on a medium that says it has flushed, and hasn't. */
export function forgetfulFiles(files: Files): Files {
  const forgetful: Files = replacing(files, {
    open: async (...given) => {
      const opened = await files.open(...given)
      return replacing<OpenFile>(opened, {
        datasync: async () => {},
        writeThrough: (pieces, position) => opened.write(pieces, position),
      })
    },
    publish: (...given) => publishThrough(forgetful, ...given),
    syncFolder: async () => {},
  })
  return forgetful
}
