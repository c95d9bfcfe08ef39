import * as fs from 'node:fs'
import type { BlockingFile } from './blocking-file.ts'

/** Opens a file for reading. @throws the system's errors */
export function openBlockingFile(path: string): BlockingFile {
  const fd = fs.openSync(path, 'r')
  return {
    read(target, position) {
      let got = 0
      while (got < target.length) {
        const step = fs.readSync(fd, target, got, target.length - got, position + got)
        if (step === 0) break
        got += step
      }
      return got
    },
    close: () => fs.closeSync(fd),
  }
}
