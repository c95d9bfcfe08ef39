import type { Files, OpenFile } from '#platform/files.ts'
import { publishThrough } from '#platform/publish.ts'

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

function replacing<T extends object>(original: T, replaced: Partial<T>): T {
  return new Proxy(original, {
    get: (target, name) => {
      if (name in replaced) return Reflect.get(replaced, name) as unknown
      const value: unknown = Reflect.get(target, name)
      return typeof value === 'function' ? (value.bind(target) as unknown) : value
    },
  })
}
