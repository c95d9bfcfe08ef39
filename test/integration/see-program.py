# Does as it is told, one line each: a JSON list of what to do and its arguments. Answers each with what came of it, or the error, and
# when it was done, in milliseconds of the machine's monotonic clock.
import errno, fcntl, json, os, stat, sys, time

handles = {}

def put(name, text, flags, offset=None):
    fd = os.open(name, os.O_WRONLY | flags, 0o644)
    try:
        os.write(fd, text.encode()) if offset is None else os.pwrite(fd, text.encode(), offset)
    finally:
        os.close(fd)

def text(name):
    with open(name, 'rb') as file:
        return file.read().decode()

def holds(what, name, expected):
    try:
        if what == 'listed': return name.split('/')[-1] in os.listdir(os.path.dirname(name) or '.')
        at = os.lstat(name)
    except FileNotFoundError:
        return what == 'absent'
    if what == 'absent': return False
    if what == 'xattr': return expected in os.listxattr(name)
    if what == 'mode': return stat.S_IMODE(at.st_mode) == expected
    if what == 'text': return at.st_size == len(expected) and text(name) == expected
    return True

def until(what, name, expected=None):
    end = time.monotonic() + 5
    while not holds(what, name, expected):
        if time.monotonic() > end: return 'never'
        time.sleep(0.001)
    return 'seen'

def count_up(name, times):
    for _ in range(times):
        fd = os.open(name, os.O_RDWR)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        value = int(os.pread(fd, 20, 0) or b'0')
        os.pwrite(fd, b'%d' % (value + 1), 0)
        fcntl.lockf(fd, fcntl.LOCK_UN)
        os.close(fd)

def add_lines(name, line, times):
    for _ in range(times):
        fd = os.open(name, os.O_WRONLY | os.O_APPEND)
        fcntl.flock(fd, fcntl.LOCK_EX)
        os.write(fd, line.encode() + b'\n')
        os.close(fd)

def list_and_read(folder, times):
    """Each file says its number, which its name ends with. How often one was read, and what was wrong."""
    read, wrong = 0, []
    for _ in range(times):
        names = os.listdir(folder)
        if len(names) != len(set(names)): wrong.append('twice')
        for name in names[::7]:
            try:
                said = text(f'{folder}/{name}')
            except (FileNotFoundError, OSError) as error:
                if error.errno not in (errno.ENOENT, errno.ESTALE): raise
                continue
            read += 1
            if said != name.split('-')[-1]: wrong.append(name)
    return [read, wrong]

def drain():
    """Whoever gives up a lock has sent all that was changed before."""
    fd = os.open('drain.lock', os.O_RDWR | os.O_CREAT)
    fcntl.flock(fd, fcntl.LOCK_EX)
    fcntl.flock(fd, fcntl.LOCK_UN)
    os.close(fd)

def hold(name, flags='r'):
    handles[name] = os.open(name, os.O_RDONLY if flags == 'r' else os.O_RDWR)

ACTS = {
    'create': lambda name, text: put(name, text, os.O_CREAT | os.O_TRUNC),
    'exclusive': lambda name, text: put(name, text, os.O_CREAT | os.O_EXCL),
    'write': lambda name, offset, text: put(name, text, 0, offset),
    'append': lambda name, text: put(name, text, os.O_APPEND),
    'truncate': os.truncate,
    'rename': os.rename,
    'remove': os.remove,
    'mkdir': os.mkdir,
    'rmdir': os.rmdir,
    'chmod': os.chmod,
    'symlink': os.symlink,
    'set xattr': lambda name, key, value: os.setxattr(name, key, value.encode()),
    'read': text,
    'list': lambda folder: sorted(os.listdir(folder)),
    'sync': lambda name: os.fsync(os.open(name, os.O_RDONLY)),
    'hold': hold,
    'held read': lambda name: os.pread(handles[name], 1000, 0).decode(),
    'held write': lambda name, offset, text: os.pwrite(handles[name], text.encode(), offset),
    'let go': lambda name: os.close(handles.pop(name)),
    'until': until,
    'count up': count_up,
    'add lines': add_lines,
    'list and read': list_and_read,
    'rename all': lambda folder, count: [os.rename(f'{folder}/{at}', f'{folder}/moved-{at}') for at in range(count)] and None,
    'drain': drain,
}

os.chdir(sys.argv[1])
print('ready', flush=True)
for line in sys.stdin:
    kind, *rest = json.loads(line)
    try:
        answer = {'value': ACTS[kind](*rest)}
    except OSError as error:
        answer = {'error': errno.errorcode.get(error.errno, str(error.errno))}
    print(json.dumps({**answer, 'atMs': time.monotonic() * 1000}), flush=True)
