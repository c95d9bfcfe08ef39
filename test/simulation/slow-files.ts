import type { Files, OpenFile } from '#platform/files.ts'

const SLOW: ReadonlySet<string> = new Set(['read', 'write', 'datasync', 'writeThrough', 'open', 'rename', 'remove', 'syncFolder'])

/** Files on a medium that takes its time. */
export function slowFiles(files: Files, delay: () => Promise<void>): Files {
  return slowed(files, delay, (opened) => slowed(opened as OpenFile, delay))
}

function slowed<T extends object>(slow: T, delay: () => Promise<void>, opened?: (file: unknown) => unknown): T {
  return new Proxy(slow, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function') return value
      if (!SLOW.has(String(name))) return value.bind(target) as unknown
      return async (...given: unknown[]): Promise<unknown> => {
        await delay()
        const result: unknown = await Reflect.apply(value, target, given)
        return name === 'open' && opened !== undefined ? opened(result) : result
      }
    },
  })
}
