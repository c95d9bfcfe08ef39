# Locks and unlocks as it is told, one line each: "KIND FILE [MODE [START LENGTH]]". Answers each line.
import errno, fcntl, os, signal, struct, sys

files, alarms = {}, []
MODES = {'sh': fcntl.LOCK_SH, 'ex': fcntl.LOCK_EX, 'un': fcntl.LOCK_UN}
TYPES = {'sh': fcntl.F_RDLCK, 'ex': fcntl.F_WRLCK, 'un': fcntl.F_UNLCK}
signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(InterruptedError(errno.EINTR, 'alarm')))

def lock(kind, name, mode, start=0, length=0):
    fd = files.get(name)
    if fd is None:
        fd = files[name] = os.open(name, os.O_RDWR | os.O_CREAT)
    wait = not kind.startswith('try')
    kind = kind.removeprefix('try')

    def take(wait):
        if kind == 'flock':
            fcntl.flock(fd, MODES[mode] | (0 if wait else fcntl.LOCK_NB))
        elif kind == 'posix':
            fcntl.lockf(fd, MODES[mode] | (0 if wait else fcntl.LOCK_NB), length, start)
        else:
            command = fcntl.F_OFD_SETLKW if wait else fcntl.F_OFD_SETLK
            fcntl.fcntl(fd, command, struct.pack('hhqqi', TYPES[mode], os.SEEK_SET, start, length, 0))

    if mode == 'un':
        take(True)
        return 'ok'
    # However long that takes: what is free is had by who doesn't wait, and again by who would.
    try:
        take(False)
        answer = 'ok'
    except OSError as error:
        if not wait or error.errno not in (errno.EAGAIN, errno.EACCES):
            raise
        answer = 'waited'
        signal.setitimer(signal.ITIMER_REAL, alarms.pop() if alarms else 0)
    if wait:
        take(True)
    return answer

def act(line):
    kind, name, *rest = line.split()
    if kind == 'alarm':
        # From when the next lock is waited for.
        alarms.append(float(name))
        return 'set'
    if kind == 'close':
        os.close(files.pop(name))
        return 'closed'
    if kind == 'write':
        os.pwrite(files[name], rest[0].encode(), 0)
        return 'written'
    if kind == 'read':
        return os.pread(files[name], 100, 0).decode()
    if kind == 'sync':
        os.fsync(files[name])
        return 'synced'
    if kind == 'ask':
        answer = fcntl.fcntl(files[name], fcntl.F_GETLK, struct.pack('hhqqi', TYPES[rest[0]], os.SEEK_SET, 0, 0, 0))
        kind, _, start, length, _ = struct.unpack('hhqqi', answer)
        return 'free' if kind == fcntl.F_UNLCK else f'{"ex" if kind == fcntl.F_WRLCK else "sh"} {start} {length}'
    return lock(kind, name, rest[0], *map(int, rest[1:]))

os.chdir(sys.argv[1])
print('ready', flush=True)
for line in sys.stdin:
    try:
        print(act(line), flush=True)
    except OSError as error:
        print(errno.errorcode.get(error.errno, error.errno), flush=True)
