// What programs do to a mount, whatever serves it. Only tests import it.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import type { Mounted } from './mounted.suite.ts'

const CHILD = fileURLToPath(new URL('./random-file.child.ts', import.meta.url))

/** Each is a promise, and what has to be done to see it kept. */
export const MOUNT_PROMISES: readonly {
  readonly promise: string
  readonly see: (mounted: Pick<Mounted, 'sh'>) => Promise<void>
}[] = [
  {
    promise: 'files are copied, moved, found, linked and removed',
    see: async ({ sh }) => {
      const printed = await sh(`
        mkdir -p d/e; echo one > d/a; cp d/a d/b; mv d/b d/e/c; ln -s e/c d/l; ln d/a d/h; cat d/l
        stat -c %h:%s d/a; find . -type f | sort; readlink d/l; echo two >> d/a; cat d/h
        (rmdir d 2>&1 || true) | sed 's/.*: //'; rm -r d; ls -A`)
      assert.equal(printed, 'one\n2:4\n./d/a\n./d/e/c\n./d/h\ne/c\none\ntwo\nDirectory not empty\n')
    },
  },
  {
    promise: 'a directory of a thousand entries is listed whole, by readdir with and without attributes',
    see: async ({ sh }) => {
      const printed = await sh(`
        mkdir many; cd many; for i in $(seq 1000); do : > file-with-a-rather-long-name-$i; done
        ls -f | wc -l; ls -l | wc -l; find . -type f | wc -l; cd ..; rm -r many`)
      assert.deepEqual(printed.split(/\s+/).slice(0, 3), ['1002', '1001', '1000'])
    },
  },
  {
    promise: 'tar goes in and comes out without a difference, with times, modes and owners',
    see: async ({ sh }) => {
      const printed = await sh(`
        source=$(mktemp -d); mkdir -p $source/x/y; head -c 3000000 /dev/urandom > $source/x/big; echo s > $source/x/y/small
        chmod 4751 $source/x/y/small; chown 12:34 $source/x/big; ln -s nowhere $source/x/l; mkfifo $source/x/p
        touch -d '2001-02-03 04:05:06.123456789' $source/x/y/small
        tar -C $source --format=posix -cf - x | tar -xpf - --same-owner; diff -r --no-dereference $source/x/y x/y; cmp $source/x/big x/big
        stat -c '%a %u:%g %y' x/y/small x/big | cut -d' ' -f1,2; stat -c %y x/y/small; stat -c %F x/p
        rm -r $source x`)
      const lines = printed.trim().split('\n')
      assert.equal(lines[0], '4751 0:0')
      assert.equal(lines[1], '644 12:34')
      assert.match(lines[2] as string, /^2001-02-03 04:05:06.123456789/)
      assert.equal(lines[3], 'fifo')
    },
  },
  {
    promise: 'git clones, checks out and finds nothing wrong',
    see: async ({ sh }) => {
      const printed = await sh(`
        export GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
        git init -q -b main one; cd one; for i in $(seq 30); do echo $i > f$i; done; git add .; git commit -qm first
        git checkout -q -b other; echo changed > f1; git commit -qam second; git checkout -q main; cd ..
        git clone -q one two; cd two; git checkout -q other; cat f1; git fsck --full; git status --porcelain; cd ..; rm -rf one two`)
      assert.equal(printed, 'changed\n')
    },
  },
  {
    promise: 'direct reads and writes go past the page cache, and sparse files read as zeros',
    see: async ({ sh }) => {
      const printed = await sh(`
        dd if=/dev/urandom of=/tmp/source-$$ bs=64k count=20 2>/dev/null
        dd if=/tmp/source-$$ of=direct bs=64k oflag=direct 2>/dev/null; dd if=direct bs=128k iflag=direct 2>/dev/null | cmp - /tmp/source-$$
        truncate -s 5G sparse; echo end >> sparse; stat -c %s sparse; tail -c 4 sparse
        dd if=sparse bs=1M skip=4000 count=1 2>/dev/null | tr -d '\\0' | wc -c; rm direct sparse /tmp/source-$$`)
      assert.deepEqual(printed.split(/\s+/), ['5368709124', 'end', '0', ''])
    },
  },
  {
    promise: 'random changes leave what a model says, in and out of a process that holds the file removed',
    see: async ({ sh }) => {
      await sh(`${process.execPath} ${CHILD} 1 150; ${process.execPath} ${CHILD} 2 150`)
    },
  },
  {
    promise: 'extended attributes are kept, listed and removed',
    see: async ({ sh }) => {
      const printed = await sh(`
        echo x > f; python3 - <<'END'
import os
os.setxattr('f', 'user.a', b'one'); os.setxattr('f', 'user.b', b'two'); os.removexattr('f', 'user.b')
print(os.listxattr('f'), os.getxattr('f', 'user.a'))
for missing in os.getxattr, os.removexattr:
    try: missing('f', 'user.b')
    except OSError as e: print(e.errno)
END
        rm f`)
      assert.equal(printed, "['user.a'] b'one'\n61\n61\n")
    },
  },
  {
    promise: 'SQLite with its WAL has what it committed when its process is killed',
    see: async ({ sh }) => {
      const printed = await sh(`
        writer() { python3 - <<'END'
import sqlite3
db = sqlite3.connect('kept.db', isolation_level=None)
db.execute('pragma journal_mode=wal'); db.execute('pragma synchronous=full')
db.execute('create table if not exists t(n)')
while True:
    db.execute('insert into t select count(*) from t')
    print(db.execute('select count(*) from t').fetchone()[0], flush=True)
END
        }
        for round in 1 2; do
          : > acked; writer > acked & for i in $(seq 100); do if [ $(wc -l < acked) -gt $((round * 5)) ]; then break; fi; sleep 0.05; done
          pkill -9 -P $! 2>/dev/null || true; kill -9 $! 2>/dev/null || true; wait $! 2>/dev/null || true
        done
        python3 - <<'END'
import sqlite3
db = sqlite3.connect('kept.db')
n, last = db.execute('select count(*), max(n) from t').fetchone()
acked = int(open('acked').read().split()[-1])
print(n >= acked, last == n - 1, db.execute('pragma integrity_check').fetchone()[0])
END
        rm kept.db* acked`)
      assert.equal(printed, 'True True ok\n')
    },
  },
  {
    promise: 'a rename replaces, refuses to replace, or exchanges, as it is told',
    see: async ({ sh }) => {
      const printed = await sh(`
        echo 1 > a; echo 2 > b; mv a b; cat b; echo 3 > c; mkdir d; mv -n c b; cat c
        mv b d; mv -T d e; cat e/b
        python3 - <<'END'
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def rename2(a, b, flags):
    return libc.renameat2(-100, a, -100, b, flags) and ctypes.get_errno()
print(rename2(b'c', b'e/b', 1), rename2(b'c', b'e', 2))
END
        cat e; ls c; rm -r c e`)
      assert.equal(printed, '1\n3\n1\n17 0\n3\nb\n')
    },
  },
]
