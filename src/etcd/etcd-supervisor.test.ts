import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { Log, LogFields } from '#observe/log.ts'
import { ManualClock } from '#platform/manual-clock.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { MemoryProcesses } from '#platform/memory-processes.ts'
import type { MemoryChild } from '#platform/memory-processes.ts'
import type { EtcdPlace } from './etcd-flags.ts'
import { EtcdSupervisor } from './etcd-supervisor.ts'

const PLACE: EtcdPlace = {
  nodeId: 'one' as NodeId,
  clusterId: 'cluster',
  listenHost: '127.0.0.1',
  host: '127.0.0.1',
  clientPort: 7404,
  peerPort: 7405,
}

class Lines implements Log {
  readonly told: { readonly level: string; readonly message: string; readonly fields: LogFields | undefined }[] = []
  debug = this.#take('debug')
  info = this.#take('info')
  warn = this.#take('warn')
  error = this.#take('error')

  child(): Log {
    return this
  }

  #take(level: string): (message: string, fields?: LogFields) => void {
    return (message, fields) => void this.told.push({ level, message, fields })
  }
}

class Fixture {
  readonly processes: MemoryProcesses
  readonly files = new MemoryFiles()
  readonly clock = new ManualClock()
  readonly log = new Lines()

  constructor(programs: readonly string[] = ['etcd']) {
    this.processes = new MemoryProcesses(programs)
  }

  supervisor(program?: string): EtcdSupervisor {
    const { processes, files, clock, log } = this
    return new EtcdSupervisor({ processes, files, clock, log, dataPath: '/data', ...(program === undefined ? {} : { program }) })
  }

  get last(): MemoryChild {
    return this.processes.started.at(-1) as MemoryChild
  }

  async pass(ms: number): Promise<void> {
    await settled()
    this.clock.advance(ms)
    await settled()
  }
}

/** Whatever follows from what has happened, has. */
async function settled(): Promise<void> {
  for (let turns = 0; turns < 50; turns += 1) await new Promise(setImmediate)
}

test('etcd gets its own settings, none of this process, and its data beside the others', async () => {
  const it = new Fixture()
  const supervisor = it.supervisor()
  await supervisor.start(PLACE, 'found')
  const { program, args, environment } = it.last.options
  assert.equal(program, '/usr/bin/etcd')
  assert.deepEqual(environment, {})
  for (const flag of [
    '--name=one',
    '--data-dir=/data/etcd',
    '--initial-cluster=one=http://127.0.0.1:7405',
    '--initial-cluster-state=new',
    '--advertise-client-urls=http://127.0.0.1:7404',
  ]) {
    assert.ok(args.includes(flag), flag)
  }
  assert.equal(supervisor.state.kind, 'running')
  await supervisor.stop()
  assert.deepEqual(supervisor.state, { kind: 'stopped' })
  assert.equal(await it.files.read('/data/etcd.pid'), undefined)
})

test('who joins is told of all members, and of itself by its own name; everything is encrypted if there is a certificate', async () => {
  const it = new Fixture()
  const supervisor = it.supervisor()
  const tls = { certFile: '/c.pem', keyFile: '/k.pem', caFile: '/ca.pem' }
  await supervisor.start({ ...PLACE, host: '::1', tls }, [
    { name: 'two', peerUrls: ['https://two:7405'] },
    { name: '', peerUrls: ['https://[::1]:7405'] },
  ])
  const { args } = it.last.options
  assert.ok(args.includes('--initial-cluster=two=https://two:7405,one=https://[::1]:7405'))
  assert.ok(args.includes('--initial-cluster-state=existing'))
  assert.ok(args.includes('--client-cert-auth=true') && args.includes('--peer-client-cert-auth=true'))
  assert.ok(args.every((arg) => !arg.includes('http://')))
  await supervisor.stop()
})

test('without the program the answer says what to install and what works without', async () => {
  const it = new Fixture([])
  const refused = (program?: string): Promise<void> =>
    assert.rejects(it.supervisor(program).start(PLACE, 'found'), (error: Error) => {
      assert.match(error.message, /apt-get install etcd-server.*--etcd.*strong volumes live on the node/s)
      return isShoalError(error, 'UNAVAILABLE')
    })
  await refused()
  await refused('/opt/etcd')
})

test('etcd is started again after waits that grow to half a minute, and are short again once it has run for a minute', async () => {
  const it = new Fixture()
  const supervisor = it.supervisor()
  await supervisor.start(PLACE, 'found')
  const waits: number[] = []
  const crash = async (): Promise<void> => {
    it.last.end({ exitCode: 1 })
    await settled()
    const { state } = supervisor
    assert.ok(state.kind === 'ended' && state.reason === 'exit code 1')
    waits.push(state.waitMs)
    const { length } = it.processes.started
    await it.pass(state.waitMs - 1)
    assert.equal(it.processes.started.length, length)
    await it.pass(1)
    assert.equal(it.processes.started.length, length + 1)
  }
  for (let crashes = 0; crashes < 9; crashes += 1) await crash()
  await it.pass(60_000)
  await crash()
  assert.deepEqual(waits, [250, 500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 250])
  it.processes.isBroken = true
  it.last.end({ signal: 'SIGSEGV' })
  await it.pass(500)
  it.processes.isBroken = false
  await it.pass(1_000)
  assert.equal(supervisor.state.kind, 'running')
  await supervisor.stop()
})

test('a stop is a SIGTERM, and a SIGKILL for who does not listen; while it waits to start again, there is nobody to stop', async () => {
  const it = new Fixture()
  const supervisor = it.supervisor()
  await supervisor.start(PLACE, 'found')
  it.last.isStubborn = true
  const stopping = supervisor.stop()
  await it.pass(9_999)
  assert.deepEqual(it.last.signals, ['SIGTERM'])
  await it.pass(1)
  assert.deepEqual(it.last.signals, ['SIGTERM', 'SIGKILL'])
  await stopping
  await supervisor.start(PLACE, 'found')
  it.last.end({ exitCode: 2 })
  await settled()
  await supervisor.stop()
  await it.pass(60_000)
  assert.equal(it.processes.started.length, 2)
  await supervisor.stop()
})

test('a stop in the middle of a start waits for the process, and ends it', async () => {
  const it = new Fixture()
  const supervisor = it.supervisor()
  const starting = supervisor.start(PLACE, 'found')
  await supervisor.stop()
  await starting
  assert.equal(it.last.hasEnded, true)
  assert.deepEqual(supervisor.state, { kind: 'stopped' })
})

test('what is left over from an earlier start is ended, if it is that process and not another one of its number', async () => {
  const it = new Fixture()
  await it.files.makeFolder('/data')
  const ours = { startMark: 'boot/1', args: ['/usr/bin/etcd', '--data-dir=/data/etcd'] }
  const start = async (): Promise<void> => {
    await it.files.publish('/data/etcd.pid', [Buffer.from(JSON.stringify({ pid: 77, startMark: 'boot/1' }))])
    const supervisor = it.supervisor()
    await supervisor.start(PLACE, 'found')
    await supervisor.stop()
  }
  for (const other of [
    { ...ours, startMark: 'boot/2' },
    { ...ours, args: ['/usr/bin/etcd', '--data-dir=/other/etcd'] },
    { ...ours, args: ['vi'] },
  ]) {
    it.processes.others.set(77, other)
    await start()
  }
  assert.deepEqual(it.processes.sent, [])
  it.processes.others.set(77, ours)
  await start()
  assert.deepEqual(it.processes.sent, [{ pid: 77, signal: 'SIGKILL' }])
  await it.files.publish('/data/etcd.pid', [Buffer.from('not JSON')])
  const supervisor = it.supervisor()
  await supervisor.start(PLACE, 'found')
  await supervisor.stop()
})

test("etcd's log becomes ours: levels kept but for what it warns of while nothing is wrong, long texts cut, unknown fields left out, and a flood counted", async () => {
  const it = new Fixture()
  const supervisor = it.supervisor()
  await supervisor.start(PLACE, 'found')
  it.log.told.length = 0
  const say = it.last.options.onErrorLine
  say('{"level":"info","ts":"now","msg":"raft is fine","key":"secret","took":"1ms"}')
  say(`{"level":"warn","msg":"${'x'.repeat(1_000)}"}`)
  say('panic: runtime error')
  say('WARNING: 2026/11/26 18:47:51 [core] grpc: addrConn.createTransport failed to connect')
  say('{"level":"warn","msg":"simple token is not cryptographically signed"}')
  say('{"level":"warn","msg":"failed to apply request","error":"mvcc: required revision has been compacted"}')
  say('{"level":"warn","msg":"failed to apply request","error":"etcdserver: no space"}')
  assert.deepEqual(
    it.log.told.map(({ level, fields }) => [level, fields]),
    [
      ['debug', { said: 'raft is fine', took: '1ms' }],
      ['warn', { said: 'x'.repeat(500) }],
      ['error', { said: 'panic: runtime error' }],
      ['debug', { said: 'WARNING: 2026/11/26 18:47:51 [core] grpc: addrConn.createTransport failed to connect' }],
      ['debug', { said: 'simple token is not cryptographically signed' }],
      ['debug', { said: 'failed to apply request', error: 'mvcc: required revision has been compacted' }],
      ['warn', { said: 'failed to apply request', error: 'etcdserver: no space' }],
    ],
  )
  for (let lines = 0; lines < 200; lines += 1) say('{"level":"warn","msg":"again"}')
  assert.equal(it.log.told.length, 100)
  it.clock.advance(10_000)
  say('{"level":"warn","msg":"later"}')
  assert.deepEqual(
    it.log.told.slice(100).map(({ fields }) => fields),
    [{ leftOut: 107 }, { said: 'later' }],
  )
  await supervisor.stop()
})

test('what is gone is not begun anew by the same name', async () => {
  const it = new Fixture()
  const supervisor = it.supervisor()
  await assert.rejects(supervisor.start(PLACE, 'resume'), (error) => isShoalError(error, 'UNAVAILABLE'))
  assert.equal(it.processes.started.length, 0)
  await it.files.makeFolder('/data/etcd/member/wal')
  await it.files.publish('/data/etcd/member/wal/0.wal', [Buffer.from('x')])
  await supervisor.start(PLACE, 'resume')
  assert.ok(it.last.options.args.includes('--initial-cluster-state=existing'))
  await supervisor.stop()
})

test('nor is it when it goes while it runs, once others know the member: only until then is it begun again', async () => {
  const it = new Fixture()
  const supervisor = it.supervisor()
  await supervisor.start(PLACE, [{ name: '', peerUrls: ['http://127.0.0.1:7405'] }])
  it.last.end({ exitCode: 1 })
  await it.pass(250)
  assert.equal(it.processes.started.length, 2)
  supervisor.begun()
  it.last.end({ exitCode: 1 })
  await it.pass(500)
  await it.pass(1_000)
  assert.equal(it.processes.started.length, 2)
  assert.equal(supervisor.state.kind, 'ended')
  await it.files.makeFolder('/data/etcd/member/wal')
  await it.files.publish('/data/etcd/member/wal/0.wal', [Buffer.from('x')])
  await it.pass(4_000)
  assert.equal(it.processes.started.length, 3)
  await supervisor.stop()
})

test('forgetting removes all that etcd kept, and nothing else', async () => {
  const it = new Fixture()
  const supervisor = it.supervisor()
  await supervisor.start(PLACE, 'found')
  await it.files.makeFolder('/data/etcd/member/wal')
  await it.files.publish('/data/etcd/member/wal/0.wal', [Buffer.from('x')])
  await it.files.publish('/data/other', [Buffer.from('x')])
  await supervisor.stop()
  await supervisor.forget()
  assert.deepEqual(await it.files.list('/data/etcd/member/wal'), [])
  assert.ok((await it.files.read('/data/other')) !== undefined)
})
