// What other people's programs do in a mount, and how it is told whether they found anything wrong. Each begins in an empty volume.

/** What the command is told: somebody's checkout or program. */
export type ProofInput = 'pjdfstest' | 'fsx' | 'fsstress' | 'ltp' | 'sources'

export interface MountProof {
  readonly name: string
  /** Programs that it runs, of Debian's packages. */
  readonly programs: readonly string[]
  readonly input?: ProofInput
  readonly minutesMax: number
  /** For bash, which has entered the mount, and ends with 0 if nothing is wrong. `$T` is a folder of the local disk, `$REPOSITORY` is
   *  this project, `$INPUT` what the command was told. */
  readonly script: string
}

const SEEDS = [1, 2, 3, 4]
const FSX_OPERATIONS = Number(process.env['SHOAL_FSX_OPERATIONS'] ?? 25_000)

const PGBENCH = `
  export PATH=$(ls -d /usr/lib/postgresql/*/bin | tail -1):$PATH; chown postgres .; chown postgres "$T"; chmod 711 "$T"
  as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
  server() { as pg_ctl -s -w -D "$PWD/data" -l "$T/log" -o "-k $T -c listen_addresses= -c max_wal_size=64MB" "$@"; }
  query() { as psql -h "$T" -X -q -A -t -v ON_ERROR_STOP=1 "$@" postgres; }
  trap 'server stop -m immediate 2> /dev/null || true' EXIT
  as initdb -k -D "$PWD/data" > "$T/initdb"; server start`

export const MOUNT_PROOFS: readonly MountProof[] = [
  {
    name: 'pjdfstest',
    programs: ['prove'],
    input: 'pjdfstest',
    minutesMax: 30,
    script: 'mkdir pjd; cd pjd; prove -Q -r "$INPUT"; cd ..; rmdir pjd',
  },
  ...SEEDS.map((seed) => ({
    name: `fsx-${seed}`,
    programs: [],
    input: 'fsx' as const,
    minutesMax: 20,
    script: `"$INPUT" -q -C -I -N ${FSX_OPERATIONS} -S ${seed} -P "$T" file`,
  })),
  {
    name: 'fsstress',
    programs: [],
    input: 'fsstress',
    minutesMax: 10,
    script: 'mkdir s; "$INPUT" -d s -p 2 -n 1000 -s 1 -l 1 -v > "$T/fsstress"; find s | wc -l; ls -lR s > "$T/listing"',
  },
  {
    name: 'fio',
    programs: ['fio'],
    minutesMax: 10,
    script: `
      for how in "randwrite --bs=4k --size=16m" "write --bs=64k --size=256m"; do
        fio --name=f --rw=$how --verify=crc32c --do_verify=1 --verify_fatal=1 --ioengine=psync --end_fsync=1 --minimal > "$T/fio"
        [ "$(cut -d ';' -f 5 "$T/fio")" = 0 ]
      done`,
  },
  {
    name: 'dbench',
    programs: ['dbench'],
    minutesMax: 5,
    script: 'dbench -D . -t 20 -c /usr/share/dbench/client.txt 4 | tail -3',
  },
  {
    name: 'stress-ng',
    programs: ['stress-ng'],
    minutesMax: 15,
    // Those that are left out look at /proc or at other file systems, or fill the whole path with one directory in another.
    script: `stress-ng --temp-path . --verify -t 1 --sequential 1 --class filesystem -x getdent,binderfs,bind-mount,procfs,dirdeep`,
  },
  {
    name: 'git',
    programs: ['git'],
    minutesMax: 15,
    script: `
      git clone -q "file://$REPOSITORY" clone; cd clone; head=$(git rev-parse HEAD)
      git checkout -q HEAD~50; git status --porcelain; git checkout -q "$head"; git fsck --full --strict; git gc -q; git fsck --full
      [ -z "$(git status --porcelain)" ]; git diff --stat HEAD; echo more >> README.md; git commit -qam more; git log --oneline -1`,
  },
  {
    name: 'make',
    programs: ['gcc', 'make'],
    input: 'sources',
    minutesMax: 10,
    script: 'cp -r "$INPUT" c; cd c; make -j2 > "$T/make" 2>&1; find . -newer "$T/make" -type f -perm -100 | head; make -q',
  },
  {
    name: 'tar-and-rsync',
    programs: ['tar', 'rsync', 'diff'],
    minutesMax: 10,
    script: `
      mkdir "$T/in" "$T/out"; git -C "$REPOSITORY" archive HEAD | tar -xf - -C "$T/in"; find "$T/in" -type f | wc -l
      tar -C "$T/in" -cf - . | tar -xf -; diff -r "$T/in" .; tar -cf - . | tar -xf - -C "$T/out"; diff -r "$T/in" "$T/out"
      mkdir copy; rsync -a "$T/in/" copy/; diff -r "$T/in" copy; [ -z "$(rsync -ain --checksum "$T/in/" copy/)" ]
      rm -r copy; rsync -a "$T/in/" copy/; rsync -a copy/ "$T/out2/"; diff -r "$T/in" "$T/out2"`,
  },
  {
    name: 'npm-ci',
    programs: ['npm'],
    minutesMax: 15,
    script: `
      git -C "$REPOSITORY" archive HEAD package.json package-lock.json .npmrc | tar -xf -
      npm ci --no-audit --no-fund --cache "$T/cache" 2>&1 | tail -3; npm ls > "$T/tree"; node_modules/.bin/oxfmt --version`,
  },
  {
    name: 'postgresql',
    programs: ['setpriv', 'psql'],
    minutesMax: 15,
    script: `${PGBENCH}
      as pgbench -h "$T" -q -i -s 2 postgres; as pgbench -h "$T" -c 4 -j 2 -T 15 postgres | grep -E 'processed|failed|tps'
      query <<'SQL'
        create table t (id serial primary key, word text, n numeric, made timestamptz default now(), body text);
        insert into t (word, n, body) select md5(i::text), i / 7.0, repeat(md5(i::text), 200) from generate_series(1, 20000) i;
        create index on t (word); create index on t using gin (to_tsvector('simple', word)); create index on t using brin (made);
        update t set n = n + 1 where id % 3 = 0; delete from t where id % 7 = 0; vacuum full t; analyze t; cluster t using t_pkey;
        create materialized view m as select id % 10 d, count(*) c, sum(n) s from t group by 1; refresh materialized view m;
        begin; savepoint a; truncate t; rollback to a; alter table t add column extra int default 5; commit;
        create table parts (k int, v text) partition by hash (k);
        create table p0 partition of parts for values with (modulus 2, remainder 0);
        create table p1 partition of parts for values with (modulus 2, remainder 1);
        insert into parts select i, i::text from generate_series(1, 5000) i;
        set work_mem = '64kB'; select count(*) from (select * from t order by body, word) sorted;
        create database other template postgres; drop database other; reindex database postgres; checkpoint;
SQL
      before=$(query -c "select count(*), sum(n)::bigint, sum(extra) from t" -c "select sum(abalance) from pgbench_accounts")
      query -c "insert into pgbench_history (tid, bid, aid, delta, mtime) values (1, 1, 1, 77, now())"
      kill -9 "$(head -1 data/postmaster.pid)"; for try in $(seq 30); do if server start; then break; fi; sleep 0.5; done
      after=$(query -c "select count(*), sum(n)::bigint, sum(extra) from t" -c "select sum(abalance) from pgbench_accounts")
      [ "$before" = "$after" ]; [ "$(query -c 'select count(*) from pgbench_history where delta = 77')" -ge 1 ]
      as pg_amcheck -h "$T" --install-missing --heapallindexed --parent-check -d postgres
      as pg_dumpall -h "$T" > "$T/dump"; server stop; as pg_checksums --check -D data; rm -r data`,
  },
]
