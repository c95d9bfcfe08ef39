// The Linux Test Project's tests of system calls that touch files, run in a mount, and which of them needn't pass.
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import type { MountProof } from './mount-proofs.ts'

const EXCEPTIONS = new URL('./ltp-exceptions.yaml', import.meta.url)
/** inotify09 runs for up to 150 s on any file system, and fcntl14 takes 20,000 locks, 96 s in a mount on a machine that others used. */
const SECONDS_MAX = Number(process.env['SHOAL_LTP_SECONDS'] ?? 400)
const PASSED = 0
/** It says itself that it can't be run here. */
const SKIPPED = 32

/** System calls whose tests are run, by the names in runtest/syscalls; SHOAL_LTP_CALLS is another such pattern, SHOAL_LTP_SECONDS
 *  how long each may take. */
const CALLS = [
  'access|faccessat2?|chdir|fchdir|getcwd|chmod|fchmod|fchmodat2?|chown|fchown|lchown|fchownat|close|copy_file_range|creat|dup[23]?',
  'fallocate|fcntl|flock|fsync|fdatasync|sync|syncfs|sync_file_range|getdents|readdir|[fl]?getxattr|[fl]?setxattr|[fl]?listxattr|[fl]?removexattr',
  'inotify|link|linkat|l?seek|llseek|mkdir|mkdirat|mknod|mknodat|mmap|munmap|msync|name_to_handle_at|open|openat2?|open_by_handle_at|nftw',
  'posix_fadvise|f?pathconf|pread|preadv2?|pwrite|pwritev2?|read|readv|readahead|readlink|readlinkat|rename|renameat2?|rmdir|sendfile|splice|tee',
  '[fl]?stat|fstatat|[fu]?statfs|f?statvfs|statx|symlink|symlinkat|f?truncate|umask|unlink|unlinkat|utime|utimes|utimensat|futimesat|write|writev',
].join('|')

/** `$INPUT` is where LTP is installed. There are no block devices: what needs one looks at another file system. The mounts of others aren't
 *  taken along, so that they can be unmounted meanwhile. */
export const LTP_PROOF: MountProof = {
  name: 'ltp',
  programs: ['unshare'],
  input: 'ltp',
  minutesMax: 90,
  script: `
    mkdir "$T/dev" tmp; chmod 1777 tmp; export LTPROOT=$INPUT PATH=$INPUT/testcases/bin:$PATH TMPDIR=$M/tmp LTP_COLORIZE_OUTPUT=n KCONFIG_SKIP_CHECK=1
    grep -E "^(\${SHOAL_LTP_CALLS:-${CALLS}})[0-9]*(_[0-9]+)?[[:space:]]" "$INPUT/runtest/syscalls" > "$T/wanted"
    unshare -m bash -eu <<'END'
      awk -v mine="$M" '$3 == "fuse.shoal" && $2 != mine { print $2 }' /proc/mounts | xargs -r -n 1 umount -l
      mount -t tmpfs none "$T/dev"; mkdir "$T/dev/shm"; ln -s /proc/self/fd "$T/dev/fd"
      for one in null zero full random urandom tty; do : > "$T/dev/$one"; mount --bind "/dev/$one" "$T/dev/$one"; done
      mount --rbind "$T/dev" /dev
      while read -r name command; do
        code=0; timeout -k 5 ${SECONDS_MAX} bash -c "$command" > "$T/one" 2>&1 < /dev/null || code=$?
        if grep -q 'Failed to acquire device' "$T/one"; then code=32; fi
        case $code in
          0) ;;
          32) echo "SKIPPED $(grep -oE '(TCONF|Failed to acquire device).*' "$T/one" | head -1)" ;;
          *) grep -E 'FAIL|BROK|WARN' "$T/one" | head -5 || tail -3 "$T/one" ;;
        esac
        echo "RESULT $name $code"
      done < "$T/wanted"
END
    find tmp -mindepth 1 -delete`,
}

/** What fails and isn't named among the exceptions, if something does. */
export function ltpProblems(printed: string): string | undefined {
  const results = [...printed.matchAll(/^RESULT (\S+) (\d+)$/gm)].map(([, name = '', code]) => ({ name, code: Number(code) }))
  const failed = results.filter(({ code }) => code !== PASSED && code !== SKIPPED).map(({ name }) => name)
  const groups = (parse(readFileSync(EXCEPTIONS, 'utf8')) ?? {}) as Record<string, string[]>
  const exceptions = new Set(Object.values(groups).flat())
  const count = (wanted: number): number => results.filter(({ code }) => code === wanted).length
  console.log(
    `${count(PASSED)} of ${results.length} pass, ${count(SKIPPED)} skip themselves, ${failed.length} fail: ${failed.join(' ')}`,
  )
  const skips = [...printed.matchAll(/^SKIPPED (.*)$/gm)].map(([, why = '']) => why)
  for (const why of new Set(skips)) console.log(`  ${skips.filter((other) => other === why).length} skip themselves: ${why}`)
  const unexpected = failed.filter((name) => !exceptions.has(name))
  if (results.length === 0) return 'No test ran'
  return unexpected.length === 0 ? undefined : `These fail, and aren't among the exceptions: ${unexpected.join(' ')}`
}
