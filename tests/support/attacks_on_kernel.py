"""Attacks on the network, the server, privileges and the kernel's interfaces."""

from attacks import Attack

DENIED = "(EPERM|EACCES|EROFS|ENOSYS|ENOENT|ENODEV|ENOTDIR)"
UNREACHED = "(ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT|EHOSTUNREACH)"
NETWORK = [
    Attack(
        "tcp",
        "for where in (('192.0.2.1', 80), ('172.17.0.1', 2375), ('169.254.169.254', 80)):\n"
        "    attempt(lambda: socket.create_connection(where, timeout=2))",
        f"{UNREACHED}( {UNREACHED}){{2}}",
    ),
    Attack("udp", "attempt(lambda: socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53)))", UNREACHED),
    Attack("dns", "attempt(lambda: socket.getaddrinfo('example.com', 80))", "error|EAGAIN|ENOEXEC|E[A-Z]+"),
    Attack("raw socket", "attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1))", DENIED),
    Attack("packet socket", "attempt(lambda: socket.socket(17, socket.SOCK_RAW, 768))", f"{DENIED}|EAFNOSUPPORT"),
    Attack(
        "ipv6",
        "attempt(lambda: socket.socket(socket.AF_INET6).connect(('2001:db8::1', 80)))",
        UNREACHED,
    ),
    Attack(
        "abstract unix sockets",
        "tell(sum('@' in line for line in open('/proc/net/unix')))\n"
        "attempt(lambda: socket.socket(socket.AF_UNIX).connect('\\0/tmp/.X11-unix/X0'))\n"
        "left = socket.socket(socket.AF_UNIX); left.bind('\\0left'); left.listen()\n"
        "if not os.fork(): time.sleep(60)",
        "0 ECONNREFUSED",
    ),
    Attack(
        "the engine's socket",
        "for path in ('/var/run/docker.sock', '/run/docker.sock', '/run/containerd/containerd.sock'):\n"
        "    attempt(lambda: socket.socket(socket.AF_UNIX).connect(path))",
        f"{DENIED}( {DENIED}){{2}}",
    ),
    Attack(
        "loopback server for the next job",
        "server = socket.create_server(('127.0.0.1', 8080))\nif not os.fork(): time.sleep(60)",
    ),
    Attack(
        "interface changes",
        "held = socket.socket()\nsystem(16, 29, held.fileno(), 0x8914, b'lo'.ljust(40, b'\\0'))",
        DENIED,
    ),
]
SERVER = [
    Attack(
        "/proc of the server",
        "for pid in (1, parent):\n"
        "    for name in ('mem', 'environ', 'maps'): attempt(lambda: open('/proc/%d/%s' % (pid, name)).read(1))\n"
        "    for name in ('fd', 'root', 'cwd'): attempt(lambda: os.listdir('/proc/%d/%s' % (pid, name)))",
        f"{DENIED}( {DENIED}){{11}}",
    ),
    Attack(
        "kill the server",
        "for number in (9, 15, 19): attempt(lambda: os.kill(parent, number)); attempt(lambda: os.kill(1, number))",
        "EPERM( EPERM){5}",
    ),
    Attack(
        "kill the server by its pidfd", "attempt(lambda: signal.pidfd_send_signal(os.pidfd_open(parent), 9))", DENIED
    ),
    Attack("kill everything", "os.fork() or time.sleep(60)\nattempt(lambda: os.kill(-1, 9))", "ok"),
    Attack("ptrace the server", "call('ptrace', 16, parent, 0, 0); call('ptrace', 0x4206, 1, 0, 0)", "EPERM EPERM"),
    Attack(
        "read and write the server's memory",
        "vector = (ctypes.c_void_p * 2)(ctypes.addressof(ctypes.create_string_buffer(8)), 8)\n"
        "for name in ('process_vm_readv', 'process_vm_writev'): call(name, parent, vector, 1, vector, 1, 0)",
        f"{DENIED} {DENIED}",
    ),
    Attack(
        "take the server's descriptors",
        "system(438, 438, os.pidfd_open(parent), 1, 0)\nwrite('/proc/%d/fd/1' % parent)",
        f"{DENIED} {DENIED}",
    ),
    Attack("limits of the server", "attempt(lambda: resource.prlimit(parent, resource.RLIMIT_NOFILE, (3, 3)))", DENIED),
    Attack(
        "scheduling of the server",
        "attempt(lambda: os.setpriority(os.PRIO_PROCESS, parent, 19))\n"
        "attempt(lambda: os.sched_setaffinity(parent, [0]))\nwrite('/proc/%d/oom_score_adj' % parent, '1000')",
        f"{DENIED} {DENIED} {DENIED}",
    ),
    Attack("join the server's session", "attempt(lambda: os.setpgid(0, os.getpgid(parent)))", DENIED),
]
PRIVILEGE = [
    Attack(
        "become root",
        "for name in ('setuid', 'setgid', 'seteuid'): attempt(lambda: getattr(os, name)(0))\n"
        "attempt(lambda: os.setgroups([0])); attempt(lambda: os.setresuid(0, 0, 0))",
        "EPERM( EPERM){4}",
    ),
    Attack("capset", "call('capset', b'\\x22\\x05\\x08\\x20\\0\\0\\0\\0', b'\\xff' * 24)", "EPERM"),
    Attack("ambient capabilities", "call('prctl', 47, 2, 7, 0, 0)", "EPERM"),
    Attack("drop no-new-privileges", "call('prctl', 38, 0, 0, 0, 0)", "EINVAL"),
    Attack("securebits and keepcaps", "call('prctl', 28, 1, 0, 0, 0)", "EPERM"),
    Attack("chroot", "attempt(lambda: os.chroot('.'))", "EPERM"),
    Attack(
        "mount",
        "call('mount', b'none', b'.', b'tmpfs', 0, None); call('mount', b'/', b'.', None, 4096, None)\n"
        "call('mount', None, b'/', None, 32, None)",
        "EPERM EPERM EPERM",
    ),
    Attack("umount", "call('umount2', b'/jobs', 2); call('umount2', b'/proc', 2)", "EPERM EPERM"),
    Attack("new mount calls", "system(428, 428, -100, b'/', 1); system(430, 430, b'tmpfs', 0)", f"{DENIED} {DENIED}"),
    Attack("pivot_root", "system(155, 41, b'.', b'.')", DENIED),
    Attack(
        "namespaces",
        "for flag in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x2000000): call('unshare', flag)",
        f"{DENIED}( {DENIED}){{4}}",
    ),
    Attack("clone into a user namespace", "system(56, 220, 0x10000011, 0, 0, 0, 0)", DENIED),
    Attack(
        "setns",
        "attempt(lambda: os.open('/proc/1/ns/mnt', os.O_RDONLY))\ncall('setns', os.pidfd_open(parent), 0x20000)",
        f"{DENIED} {DENIED}",
    ),
    Attack(
        "set-uid programs",
        "import stat\n"
        "found = (os.path.join(top, name) for top, _, names in os.walk('/usr') for name in names)\n"
        "tell(sum(bool(os.lstat(path).st_mode & stat.S_ISUID) for path in found))\n"
        "open('own', 'w').close(); os.chmod('own', 0o6755); attempt(lambda: os.execv('own', ['own']))",
        "[0-9]+ EACCES",
    ),
    Attack(
        "programs of its own",
        "open('x', 'w').write('#!/x'); os.chmod('x', 0o755)\nattempt(lambda: os.execv('x', ['x']))",
        "EACCES",
    ),
    Attack(
        "raise limits",
        "for kind in (resource.RLIMIT_NPROC, resource.RLIMIT_FSIZE, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE):\n"
        "    attempt(lambda: resource.setrlimit(kind, (-1, -1)))",
        "(ValueError|EPERM)( (ValueError|EPERM)){3}",
    ),
    Attack(
        "priority",
        "attempt(lambda: os.nice(-5))\n"
        "attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(5)))\n"
        "write('/proc/self/oom_score_adj', '-1000')\nos.nice(19); os.sched_setaffinity(0, [0])",
        "(EPERM|EACCES) EPERM EACCES",
    ),
]
KERNEL = [
    Attack(
        "/proc/sys and sysrq",
        "for name in ('kernel/hostname', 'kernel/core_pattern', 'vm/drop_caches', 'kernel/shmmni', "
        "'fs/file-max'):\n"
        "    write('/proc/sys/' + name, '1')\nwrite('/proc/sysrq-trigger', 'b')\nwrite('/proc/self/loginuid', '0')",
        f"{DENIED}( {DENIED}){{6}}",
    ),
    Attack(
        "cgroup files",
        "tops = ('memory', 'pids', 'cpu', '')\n"
        "names = ('memory.limit_in_bytes', 'pids.max', 'cpu.cfs_quota_us', 'cgroup.procs')\n"
        "for top, name in zip(tops, names): write('/sys/fs/cgroup/%s/%s' % (top, name), '-1')\n"
        "attempt(lambda: os.mkdir('/sys/fs/cgroup/memory/own'))",
        f"{DENIED}( {DENIED}){{4}}",
    ),
    Attack("/sys", "write('/sys/kernel/mm/ksm/run', '1'); write('/sys/power/state', 'mem')", f"{DENIED} {DENIED}"),
    Attack(
        "devices",
        "for path in ('/dev/mem', '/dev/kmsg', '/dev/sda', '/dev/vda', '/dev/kvm', '/dev/fuse', '/dev/console'):\n"
        "    attempt(lambda: os.open(path, os.O_RDWR))",
        f"({DENIED}|ENXIO|EIO)( ({DENIED}|ENXIO|EIO)){{6}}",
    ),
    Attack(
        "mknod",
        "for kind in (0o60000, 0o20000): attempt(lambda: os.mknod('d', kind | 0o666, os.makedev(1, 1)))",
        "EPERM EPERM",
    ),
    Attack("clock", "call('clock_settime', 0, bytes(16)); call('settimeofday', bytes(16), None)", f"{DENIED} {DENIED}"),
    Attack("host name", "attempt(lambda: socket.sethostname('x')); call('setdomainname', b'x', 1)", "EPERM EPERM"),
    Attack("reboot", "system(169, 142, 0xFEE1DEAD, 672274793, 0x89ABCDEF, 0)", DENIED),
    Attack("bpf", "system(321, 280, 0, bytes(64), 64)", DENIED),
    Attack("perf_event_open", "system(298, 241, bytes(128), 0, -1, -1, 0)", DENIED),
    Attack("userfaultfd", "system(323, 282, 0)", DENIED),
    Attack("io_uring", "system(425, 425, 1, bytes(120))", f"{DENIED}|ok"),
    Attack(
        "keyrings",
        "system(248, 217, b'user', b'left', b'x', 1, -4); system(250, 219, 0, -4, 1); "
        "system(249, 218, b'user', b'left', None, -4)",
        f"{DENIED}( {DENIED}){{2}}",
    ),
    Attack(
        "kexec and modules", "system(246, 104, 0, 0, None, 0); system(175, 105, b'x', 1, b'')", f"{DENIED} {DENIED}"
    ),
    Attack("open by handle", "system(304, 265, -100, bytes(24), 0)", DENIED),
    Attack(
        "swap, accounting, kernel log",
        "call('swapon', b'/', 0); call('acct', b'x'); call('klogctl', 5, None, 0)",
        f"{DENIED}( {DENIED}){{2}}",
    ),
    Attack("input and output ports", "call('iopl', 3); call('ioperm', 0, 8, 1)", f"{DENIED} {DENIED}"),
    Attack(
        "the terminal",
        "import fcntl, termios\nattempt(lambda: fcntl.ioctl(0, termios.TIOCSTI, b'x'))",
        "ENOTTY|EIO|EPERM",
    ),
]
