"""Attacks on resources, descriptors and later jobs."""

from attacks import Attack

REFUSED = "(EROFS|EACCES|EPERM|ENOENT|ENODEV)"
RESOURCES = [
    Attack("fork bomb", "while True:\n    try: os.fork()\n    except OSError: pass", status="timeout", wall_seconds=1),
    Attack(
        "fork bomb of new sessions",
        "while True:\n    try: os.fork() or os.setsid()\n    except OSError: pass",
        status="timeout",
        wall_seconds=1,
    ),
    Attack(
        "thread bomb",
        "import threading\n"
        "def many():\n"
        "    for _ in range(500): threading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
        "attempt(many)",
        "RuntimeError",
    ),
    Attack("heap", "hoard = []\nwhile True: hoard.append(bytearray(1 << 20))", status="out_of_memory"),
    Attack(
        "anonymous maps",
        "import mmap\nhoard = []\nwhile True:\n    hoard.append(mmap.mmap(-1, 1 << 24)); "
        "hoard[-1].write(b'x' * (1 << 24))",
        status="out_of_memory",
    ),
    Attack(
        "memory files",
        "while True: os.write(os.memfd_create('x'), b'x' * (1 << 20))",
        status="out_of_memory",
    ),
    Attack(
        "many processes' memory",
        "for _ in range(5): os.fork()\nhoard = bytearray(b'x') * (20 << 20); time.sleep(60)",
        status="out_of_memory",
    ),
    Attack(
        "disk",
        "def fill():\n    for n in range(200):\n"
        "        with open(str(n), 'wb') as file: file.write(bytes(1 << 20))\nattempt(fill)",
        "ENOSPC",
    ),
    Attack("inodes", "def fill():\n    for n in range(30000): os.mknod(str(n))\nattempt(fill)", "ENOSPC"),
    Attack("a sparse file", "attempt(lambda: os.truncate(os.open('s', os.O_CREAT | os.O_RDWR), 1 << 40))", "EFBIG"),
    Attack(
        "unlinked files held open",
        "for n in range(15):\n    held = os.open('f', os.O_CREAT | os.O_RDWR); "
        "os.write(held, bytes(1 << 20)); os.unlink('f')\nif not os.fork(): os.setsid(); time.sleep(60)",
    ),
    Attack("endless loop", "while True: pass", status="timeout", wall_seconds=0.3),
    Attack("endless loop in C", "sum(iter(int, 1))", status="timeout", wall_seconds=0.3),
    Attack("catastrophic pattern", "import re\nre.match('(a+)+$', 'a' * 64 + 'b')", status="timeout", wall_seconds=0.3),
    Attack(
        "every signal blocked and ignored",
        "for number in signal.valid_signals() - {9, 19, 32, 33}: signal.signal(number, signal.SIG_IGN)\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\nwhile True: pass",
        status="timeout",
        wall_seconds=0.3,
    ),
    Attack("its own group stopped", "os.killpg(0, signal.SIGSTOP)", status="timeout", wall_seconds=0.3),
    Attack("a wait without end", "os.read(os.pipe()[0], 1)", status="timeout", wall_seconds=0.3),
    Attack("huge stdout", "while True: os.write(1, b'x' * 65536)", status="output_limit"),
    Attack("huge stderr", "while True: os.write(2, b'x' * 65536)", status="output_limit"),
    Attack("huge result", "while True: channel.write(b'x' * 65536)", status="output_limit"),
    Attack("sparse stdout", "attempt(lambda: os.ftruncate(1, 1 << 40))", "EFBIG"),
    Attack("every descriptor", "def many():\n    while True: os.dup(0)\nattempt(many)", "EMFILE"),
    Attack("a crash in C", "ctypes.string_at(0)", status="killed"),
]
DESCRIPTORS = [
    Attack("inherited descriptors", "tell(*sorted(map(int, os.listdir('/proc/self/fd')))[:-1])", "0 1 2 3"),
    Attack(
        "forged frames",
        "from _tracegen_sandbox import frames\n"
        "forged = frames.pack(frames.OUTCOME, b'x' * 64)\n"
        "for fd in set(range(1024)) - {250}:\n"
        "    try: os.write(fd, forged)\n"
        "    except OSError: pass",
    ),
    Attack("the result truncated and closed", "os.ftruncate(250, 0); os.close(250)", status="guest_fault"),
    Attack("another file as the result", "os.dup2(os.open('x', os.O_CREAT | os.O_RDWR), 250)", status="guest_fault"),
    Attack(
        "the result through /proc",
        "tell(os.path.realpath('/proc/self/fd/250'))\nos.ftruncate(250, 9)",
        r"\0{9}/memfd.*",
    ),
    Attack(
        "deadlines that are no numbers",
        "for value in (float('nan'), float('inf'), 1e308): channel.set_deadline(value)\nchannel._page.mark_fault()",
        status="guest_fault",
    ),
]
LEFTOVERS = [
    Attack(
        "files everywhere",
        "for top in ('/', '/tmp', '/var/tmp', '/dev', '/dev/shm', '/jobs', '/run', '/etc', '/usr/local', "
        "'/root', '/proc', '/sys'):\n"
        "    write(top + '/left')\nwrite('left')",
        f"{REFUSED}( {REFUSED}){{11}} ok",
    ),
    Attack("a daemon", "if not os.fork(): time.sleep(60)"),
    Attack(
        "a double fork with a session of its own",
        "if not os.fork():\n    os.setsid()\n    if os.fork(): os._exit(0)\n"
        "    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())\n    while True: pass",
    ),
    Attack(
        "a subreaper's grandchildren",
        "call('prctl', 36, 1, 0, 0, 0)\nfor _ in range(4): os.fork()\nif os.getppid() != parent: time.sleep(60)",
        "ok",
    ),
    Attack(
        "System V and POSIX queues, segments and semaphores",
        "call('shmget', 7, 4096, 0o1666); call('semget', 7, 1, 0o1666); call('msgget', 7, 0o1666)\n"
        "call('mq_open', b'/left', 66, 438, 0); write('/dev/shm/left')",
        r"(ENOSPC|EINVAL|ENOSYS)( (ENOSPC|EINVAL|ENOSYS)){2} \w+ (EROFS|ENOENT|EACCES)",
    ),
    Attack(
        "watches and timers",
        "call('inotify_init'); call('inotify_add_watch', 4, b'.', 4095); call('alarm', 1)",
        "ok \\w+ ok",
    ),
    Attack(
        "file locks",
        "import fcntl\nfor path in ('/etc/passwd', '/usr/local/bin/python3'):\n"
        "    attempt(lambda: fcntl.flock(os.open(path, os.O_RDONLY), fcntl.LOCK_EX))\n"
        "if not os.fork(): time.sleep(60)",
        "\\w+ ok",
    ),
    Attack(
        "a trap for the next interpreter",
        "import site\n"
        "for top in [*site.getsitepackages(), *filter(os.path.isabs, sys.path)]: write(top + '/sitecustomize.py')\n"
        "write('/etc/ld.so.preload', '/jobs/job/x.so')\nos.environ['LD_PRELOAD'] = '/jobs/job/x.so'\n"
        "os.environ['PYTHONSTARTUP'] = 'x'",
        r"(EROFS|EACCES|ENOENT|ENOTDIR)( (EROFS|EACCES|ENOENT|ENOTDIR))+",
    ),
    Attack(
        "modules and builtins changed",
        "import builtins\nbuiltins.left = 1\nos.getpid = lambda: 0\nsys.path.insert(0, '/left')",
    ),
    Attack(
        "the interpreter overwritten",
        "write('/proc/self/exe'); attempt(lambda: os.unlink(sys.executable))",
        f"({REFUSED}|ETXTBSY) {REFUSED}",
    ),
    Attack(
        "other jobs' directories",
        "attempt(lambda: os.listdir('/jobs')); attempt(lambda: os.rename('/jobs/job', '/jobs/x')); "
        "attempt(lambda: os.chmod('/jobs', 0o777))",
        f"{REFUSED}( {REFUSED}){{2}}",
    ),
    Attack(
        "hard links out of the scratch",
        "attempt(lambda: os.link('/etc/passwd', 'l')); attempt(lambda: os.link('/proc/self/exe', 'm'))",
        "(EXDEV|EPERM|ENOENT) (EXDEV|EPERM)",
    ),
    Attack(
        "symbolic links out of the scratch",
        "for n, path in enumerate(('/', '/etc', '..', '/proc/self', 'x')): os.symlink(path, str(n))\n"
        "os.mkdir('d'); os.symlink('..', 'd/up')",
    ),
    Attack("deep directories", "for _ in range(3000): os.mkdir('d'); os.chdir('d')"),
    Attack("directories locked", "os.makedirs('a/b/c'); os.chmod('a/b', 0); os.chmod('a', 0); os.chmod('.', 0)"),
    Attack(
        "odd names",
        "for name in (b'a\\nb', b'\\xff\\xfe', b'x' * 255, b'-rf', b' ', b'_0', b'*'):\n"
        "    os.mkdir(name); open(os.path.join(name, name), 'w').close()",
    ),
    Attack("pipes and sockets as files", "os.mkfifo('p'); s = socket.socket(socket.AF_UNIX); s.bind('s')"),
    Attack("a sticky directory", "os.mkdir('d'); open('d/f', 'w').close(); os.chmod('d', 0o1777)", retires=True),
    Attack(
        "flags that forbid removal",
        "import fcntl\nfd = os.open('f', os.O_CREAT | os.O_RDWR)\n"
        "attempt(lambda: fcntl.ioctl(fd, 0x40086602, b'\\x30'.ljust(8, b'\\0')))",
        "EPERM|ENOTTY|EOPNOTSUPP",
    ),
    Attack("a mask for the next job", "os.umask(0o777); os.chdir('/'); signal.signal(signal.SIGINT, signal.SIG_IGN)"),
]
