# Does system calls in one directory, one a line: {"do": [NAME, WHO, UMASK, ARGUMENTS…], "look": […], "ticks": bool}. Answers each with
# what came of it, or the error, in a form that can be compared with what another file system says, and how what is to be looked at is then.
import ctypes, errno, fcntl, hashlib, json, mmap, os, random, stat, struct, sys, time

IDENTITIES = [(0, 0, [0]), (2001, 2001, [2001, 3000]), (2002, 2002, [2002, 3000, 3001])]
AT_FDCWD, AT_SYMLINK_NOFOLLOW, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = -100, 0x100, 0x400, 0x1000
SYS_GETDENTS64, SYS_FCHMODAT2 = {'x86_64': 217, 'aarch64': 61}[os.uname().machine], 452
STATX_BASIC = 0x7ff
# Times beyond these were set; what lies between is when something was done.
OLDEST_NOW, NEWEST_NOW = 1577836800 * 10**9, 2051222400 * 10**9
CLOCK_REALTIME_COARSE = 5

libc = ctypes.CDLL(None, use_errno=True)
libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
libc.sync_file_range.argtypes = [ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint]
libc.syscall.restype = ctypes.c_long

class Timespec(ctypes.Structure):
    _fields_ = [('sec', ctypes.c_int64), ('nsec', ctypes.c_long)]

def checked(result):
    if result >= 0: return result
    raise OSError(ctypes.get_errno(), '')

root_fd, slots, maps, identity = None, {}, {}, None

def become(who):
    global identity
    if identity == who: return
    uid, gid, groups = IDENTITIES[who]
    os.seteuid(0); os.setegid(0)
    os.setgroups(groups); os.setegid(gid); os.seteuid(uid)
    identity = who

def bytes_of(data):
    """[KIND, NUMBER, LENGTH]"""
    kind, number, length = data
    if kind == 'zeros': return bytes(length)
    if kind == 'random': return random.Random(number).randbytes(length)
    block = b'%d.' % number
    return (block * (length // len(block) + 1))[:length]

def digest(data):
    if len(data) <= 24: return bytes(data).decode('latin-1')
    return [len(data), hashlib.sha1(data).hexdigest()[:12]]

def shown_time(ns):
    return 'now' if OLDEST_NOW <= ns <= NEWEST_NOW else str(ns)

def shown(st, since=None):
    mode = st.st_mode
    # The kernel leaves setgid to files on FUSE that their group may not execute, where ext4 takes it away.
    if stat.S_ISREG(mode) and not mode & 0o010: mode &= ~0o2000
    out = {'mode': oct(mode), 'links': st.st_nlink, 'uid': st.st_uid, 'gid': st.st_gid,
           'mtime': shown_time(st.st_mtime_ns), 'atime': shown_time(st.st_atime_ns)}
    if not stat.S_ISDIR(mode): out['size'] = st.st_size
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode): out['device'] = st.st_rdev
    if since is not None: out['mtime is new'], out['ctime is new'] = st.st_mtime_ns >= since, st.st_ctime_ns >= since
    return out

def tick():
    """A time that all that was done before lies before, and all that is done from now on doesn't. Disks take times from a clock that
    moves by steps, mounts from one that may be off by less than a millisecond."""
    since = time.time_ns() + 10**6
    while time.clock_gettime_ns(CLOCK_REALTIME_COARSE) < since + 10**6: time.sleep(.0005)
    return since

def is_regular(slot):
    return stat.S_ISREG(os.fstat(slots[slot]).st_mode)

def aligned(length):
    return mmap.mmap(-1, max(4096, length))

def entries_from(fd, size=512):
    buffer, out = ctypes.create_string_buffer(size), []
    while (count := checked(libc.syscall(SYS_GETDENTS64, fd, buffer, size))) > 0:
        at = 0
        while at < count:
            next_at, length = struct.unpack_from('<qH', buffer.raw, at + 8)
            out.append((buffer.raw[at + 19:at + length].split(b'\0')[0], next_at))
            at += length
    return out

def names(found):
    return sorted(os.fsdecode(name) for name in found if name not in (b'.', b'..'))

def written(path, data, flags, mode=0):
    fd = os.open(path, flags | os.O_WRONLY | os.O_NONBLOCK, mode)
    try: return os.write(fd, bytes_of(data))
    finally: os.close(fd)

def set_times(fd, path, times, flags):
    return checked(libc.utimensat(fd, path, None if times is None else (Timespec * 2)(*[Timespec(*each) for each in times]), flags))

def opened(slot, fd):
    slots[slot] = fd
    return 'ok'

class Calls:
    """One method a call."""
    def open(slot, path, flags, mode): return opened(slot, os.open(path, flags, mode))
    def dup(slot, new): return opened(new, os.dup(slots[slot]))
    def close(slot):
        os.close(slots.pop(slot))
        return 'ok'
    def read(slot, length): return digest(os.read(slots[slot], length))
    def pread(slot, length, offset): return digest(os.pread(slots[slot], length, offset))
    def write(slot, data): return os.write(slots[slot], bytes_of(data))
    def pwrite(slot, data, offset): return os.pwrite(slots[slot], bytes_of(data), offset)
    def writev(slot, parts): return os.writev(slots[slot], [bytes_of(part) for part in parts])
    def seek(slot, offset, whence):
        # Where one is in a directory is the file system's affair, where holes begin as well.
        if not is_regular(slot): return 'no file'
        return os.lseek(slots[slot], offset, whence)
    def direct_read(slot, length, offset):
        buffer = aligned(length)
        count = os.preadv(slots[slot], [memoryview(buffer)[:length]], offset)
        return [count, digest(buffer[:count])]
    def direct_write(slot, data, offset):
        content = bytes_of(data)
        buffer = aligned(len(content)); buffer[:len(content)] = content
        return os.pwritev(slots[slot], [memoryview(buffer)[:len(content)]], offset)
    def ftruncate(slot, length): return os.ftruncate(slots[slot], length)
    def truncate(path, length): return os.truncate(path, length)
    def fallocate(slot, mode, offset, length): return checked(libc.fallocate(slots[slot], mode, offset, length))
    def copy_range(source, target, length, source_at, target_at):
        return os.copy_file_range(slots[source], slots[target], length, source_at, target_at)
    def sendfile(source, target, offset, length): return os.sendfile(slots[target], slots[source], offset, length)
    def fsync(slot): return os.fsync(slots[slot])
    def fdatasync(slot): return os.fdatasync(slots[slot])
    def sync_range(slot): return checked(libc.sync_file_range(slots[slot], 0, 0, 7))
    def holes(slot):
        """What SEEK_HOLE says is a hole has no data; where holes are is the file system's affair."""
        if not is_regular(slot): return 'no file'
        fd = slots[slot]
        if fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_WRONLY: return 'not readable'
        at, size, position = os.lseek(fd, 0, os.SEEK_CUR), os.fstat(fd).st_size, 0
        try:
            while position < size and (hole := os.lseek(fd, position, os.SEEK_HOLE)) < size:
                try: position = os.lseek(fd, hole, os.SEEK_DATA)
                except OSError as error:
                    if error.errno != errno.ENXIO: raise
                    position = size
                if any(os.pread(fd, position - hole, hole)): return f'there is data in the hole from {hole} to {position}'
            return 'ok'
        finally: os.lseek(fd, at, os.SEEK_SET)
    def map(name, slot, is_shared, is_writable):
        size = os.fstat(slots[slot]).st_size if is_regular(slot) else 0
        if name in maps: maps.pop(name).close()
        if size == 0: return 'nothing to map'
        maps[name] = mmap.mmap(slots[slot], size, flags=mmap.MAP_SHARED if is_shared else mmap.MAP_PRIVATE,
                               prot=mmap.PROT_READ | (mmap.PROT_WRITE if is_writable else 0))
        return 'ok'
    def map_read(name, offset, length):
        # What lies beyond the end of a file that was cut would be SIGBUS.
        end = min(len(maps[name]), maps[name].size())
        return digest(maps[name][min(offset, end):min(offset + length, end)])
    def map_write(name, offset, data):
        end = min(len(maps[name]), maps[name].size())
        content = bytes_of(data)[:max(0, end - offset)]
        if not content: return 0
        try: maps[name][offset:offset + len(content)] = content
        except TypeError: return 'read-only'
        return len(content)
    def msync(name): return maps[name].flush()
    def unmap(name):
        maps.pop(name).close()
        return 'ok'
    def fstat(slot): return shown(os.fstat(slots[slot]))
    def stat(path): return shown(os.stat(path))
    def lstat(path): return shown(os.lstat(path))
    def statx(path, flags, mask):
        out = ctypes.create_string_buffer(256)
        checked(libc.statx(AT_FDCWD, os.fsencode(path), flags, mask, out))
        said, _, _, links, uid, gid, mode, _, _, size = struct.unpack_from('<IIQIIIHHQQ', out)
        wanted = said & mask & STATX_BASIC
        fields = {'mode': stat.S_IFMT(mode) if wanted & 3 else 0, 'links': links if wanted & 4 else 0, 'uid': uid if wanted & 8 else 0,
                  'gid': gid if wanted & 16 else 0, 'size': size if wanted & 0x200 and not stat.S_ISDIR(mode) else 0}
        return fields
    def same(path, other): return os.path.samestat(os.lstat(path), os.lstat(other))
    def same_fd(slot, other): return os.path.samestat(os.fstat(slots[slot]), os.lstat(other))
    def access(path, mode): return os.access(path, mode, effective_ids=True)
    def list(path): return sorted(os.listdir(path))
    def flist(slot): return sorted(os.listdir(slots[slot]))
    def list_from(slot, fraction):
        """All of a directory, and what follows one of its entries when it is read from there."""
        fd = slots[slot]
        os.lseek(fd, 0, os.SEEK_SET)
        every = entries_from(fd)
        at = int(len(every) * fraction)
        os.lseek(fd, every[at][1], os.SEEK_SET)
        rest = entries_from(fd, 2048)
        # Where one is then is beyond what can be read on some disks.
        os.lseek(fd, 0, os.SEEK_SET)
        return [names(name for name, _ in every), rest == every[at + 1:]]
    def mkdir(path, mode): return os.mkdir(path, mode)
    def rmdir(path): return os.rmdir(path)
    def unlink(path): return os.unlink(path)
    def rename(path, to): return os.rename(path, to)
    def rename2(path, to, flags): return checked(libc.renameat2(AT_FDCWD, os.fsencode(path), AT_FDCWD, os.fsencode(to), flags))
    def link(path, to): return os.link(path, to, follow_symlinks=False)
    def link_follow(path, to): return checked(libc.linkat(AT_FDCWD, os.fsencode(path), AT_FDCWD, os.fsencode(to), AT_SYMLINK_FOLLOW))
    def link_fd(slot, to):
        return checked(libc.linkat(AT_FDCWD, b'/proc/self/fd/%d' % slots[slot], AT_FDCWD, os.fsencode(to), AT_SYMLINK_FOLLOW))
    def link_empty(slot, to): return checked(libc.linkat(slots[slot], b'', AT_FDCWD, os.fsencode(to), AT_EMPTY_PATH))
    def symlink(target, path): return os.symlink(target, path)
    def readlink(path): return os.readlink(path)
    def mknod(path, mode, major, minor): return os.mknod(path, mode, os.makedev(major, minor))
    def chmod(path, mode): return os.chmod(path, mode)
    def lchmod(path, mode): return checked(libc.syscall(SYS_FCHMODAT2, AT_FDCWD, ctypes.c_char_p(os.fsencode(path)), mode, AT_SYMLINK_NOFOLLOW))
    def fchmod(slot, mode): return os.fchmod(slots[slot], mode)
    def chown(path, uid, gid): return os.chown(path, uid, gid)
    def lchown(path, uid, gid): return os.lchown(path, uid, gid)
    def fchown(slot, uid, gid): return os.fchown(slots[slot], uid, gid)
    def utimes(path, times, follows): return set_times(AT_FDCWD, os.fsencode(path), times, 0 if follows else AT_SYMLINK_NOFOLLOW)
    def futimes(slot, times): return set_times(slots[slot], None, times, 0)
    def setx(path, name, value, flags): return os.setxattr(path, name, bytes_of(value), flags, follow_symlinks=False)
    def fsetx(slot, name, value, flags): return os.setxattr(slots[slot], name, bytes_of(value), flags)
    def setacl(path, name, entries, cut):
        value = struct.pack('<I', 2) + b''.join(struct.pack('<HHI', *entry) for entry in entries)
        return os.setxattr(path, name, value[:len(value) - cut], 0, follow_symlinks=False)
    def getx(path, name): return digest(os.getxattr(path, name, follow_symlinks=False))
    def fgetx(slot, name): return digest(os.getxattr(slots[slot], name))
    def listx(path): return sorted(os.listxattr(path, follow_symlinks=False))
    def delx(path, name): return os.removexattr(path, name, follow_symlinks=False)
    def flock(slot, how): return fcntl.flock(slots[slot], how | fcntl.LOCK_NB)
    def lockf(slot, how, length, start): return fcntl.lockf(slots[slot], how | fcntl.LOCK_NB, length, start)
    def name_max(path): return os.statvfs(path).f_namemax
    def flags(slot): return oct(fcntl.fcntl(slots[slot], fcntl.F_GETFL))
    def write_file(path, data, mode): return written(path, data, os.O_CREAT | os.O_TRUNC, mode)
    def append_file(path, data): return written(path, data, os.O_APPEND)
    def read_file(path):
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try: return digest(os.read(fd, 1 << 27))
        finally: os.close(fd)

def let_go():
    for mapped in maps.values(): mapped.close()
    for fd in slots.values():
        try: os.close(fd)
        except OSError: pass
    maps.clear(); slots.clear()

def tree():
    """All that there is, as it can be compared."""
    out, first = {}, {}
    def visit(path):
        # What is listed is there.
        try: st = visited(path)
        except OSError as error: out[path] = {'error': errno.errorcode[error.errno]}
        else:
            if stat.S_ISDIR(st.st_mode):
                for name in sorted(os.listdir(path)): visit(f'{path}/{name}')
    def visited(path):
        st = os.lstat(path)
        entry = shown(st)
        if not stat.S_ISDIR(st.st_mode): entry['same as'] = first.setdefault((st.st_dev, st.st_ino), path)
        try: entry['xattrs'] = {name: digest(os.getxattr(path, name, follow_symlinks=False)) for name in sorted(os.listxattr(path, follow_symlinks=False))}
        except OSError as error: entry['xattrs'] = errno.errorcode[error.errno]
        if stat.S_ISREG(st.st_mode):
            with open(path, 'rb', buffering=0) as file:
                content = b''.join(iter(lambda: file.read(1 << 20), b''))
            entry['content'] = digest(content)
        if stat.S_ISLNK(st.st_mode): entry['target'] = os.readlink(path)
        out[path] = entry
        return st
    visit('.')
    return out

def enter(path):
    """Begins in a directory, or leaves the one that it is in."""
    global root_fd
    let_go(); become(0); os.chdir('/')
    if root_fd is not None: os.close(root_fd)
    root_fd = None if path is None else os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    if path is not None: os.fchdir(root_fd)

def perform(name, who, umask, *args):
    become(0); os.fchdir(root_fd); become(who); os.umask(umask)
    try:
        value = getattr(Calls, name)(*args)
        return {'value': value}
    except OSError as error:
        return {'error': errno.errorcode.get(error.errno, str(error.errno))}
    # Slots that the call before was to fill.
    except KeyError: return {'error': 'nothing open'}
    except ValueError as error: return {'error': str(error)}

def looked_at(at, since):
    try: return shown(os.lstat(at) if isinstance(at, str) else os.fstat(slots[at]), since)
    except OSError as error: return {'error': errno.errorcode[error.errno]}

def act(told):
    if 'enter' in told: return enter(told['enter'])
    if 'tree' in told: let_go() if told['tree'] == 'closed' else None; become(0); os.fchdir(root_fd); return tree()
    since = tick() if told['ticks'] else None
    answer = perform(*told['do'])
    become(0); os.fchdir(root_fd)
    return {**answer, 'seen': {str(at): looked_at(at, since) for at in told['look'] if isinstance(at, str) or at in slots}}

print('ready', flush=True)
for line in sys.stdin:
    print(json.dumps(act(json.loads(line))), flush=True)
