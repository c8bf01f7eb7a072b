"""Attacks as data: a small program, what it must have been told, and a look around by the next job."""

import re
from dataclasses import dataclass

from sandbox_jobs import run

from sandboxes.api import Pool

PRELUDE = """
import ctypes, errno, os, resource, signal, socket, sys, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
said = []
def tell(*values): said.extend(map(str, values))
def named(number): return errno.errorcode.get(number, 'error')
def call(name, *arguments):
    got = getattr(libc, name)(*arguments)
    tell(named(ctypes.get_errno()) if got == -1 else 'ok')
def system(intel, arm, *arguments):
    call('syscall', ctypes.c_long(intel if os.uname().machine == 'x86_64' else arm), *arguments)
def attempt(action):
    try: action()
    except OSError as error: tell(named(error.errno))
    except BaseException as error: tell(type(error).__name__)
    else: tell('ok')
def write(path, text='x'): attempt(lambda: open(path, 'w').write(text))
parent = os.getppid()
"""
TOLD = "\nchannel.write(' '.join(said).encode())\n"
LOOK_AROUND = """
import builtins, gc
def lines(path): return open(path).read().splitlines()
def others():
    for pid in filter(str.isdigit, os.listdir('/proc')):
        try:
            owner = os.stat('/proc/' + pid).st_uid
        except OSError: continue
        if int(pid) != os.getpid() and owner: yield lines('/proc/%s/stat' % pid)
room = os.statvfs('.')
tell(os.listdir('.'), list(others()), room.f_bfree // 64, room.f_ffree)
tell([len(lines('/proc/sysvipc/' + kind)) for kind in ('shm', 'sem', 'msg')], len(lines('/proc/net/unix')))
tell(sorted(os.environ.items()), sys.path, sorted(os.listdir('/proc/self/fd')), len(builtins.__dict__))
tell([resource.getrlimit(kind) for kind in range(16)], os.nice(0), os.sched_getaffinity(0))
tell(signal.pthread_sigmask(signal.SIG_BLOCK, []), socket.gethostname(), lines('/proc/self/oom_score_adj'))
tell(sorted(line.split()[1:3] for line in lines('/proc/mounts')))  # Podman mounts them in any order
tell('sitecustomize' in sys.modules, len(os.listdir('/')), len(os.listdir('/dev')))
"""


@dataclass(slots=True, frozen=True)
class Attack:
    """One attack. ``told``: what each of its attempts must have got (a pattern that the whole answer matches)."""

    name: str
    program: str
    told: str = ""
    status: str = "finished"
    retires: bool = False
    """Whether the sandbox may be replaced for it."""
    wall_seconds: float = 20.0


def look_around(pool: Pool, first: str = "") -> str:
    """Return what a job finds of its surroundings, after statements of its own; equal for all that do nothing else."""
    outcome = run(pool, f"{PRELUDE}{first}{LOOK_AROUND}{TOLD}")
    assert (outcome.status, outcome.exit_code) == ("finished", 0), outcome
    return outcome.result.decode()


def strike(pool: Pool, attack: Attack, before: str) -> None:
    """Run an attack; it must end as it says, keep the sandbox if it says so, and leave the next job nothing."""
    retired = dict(pool.statistics.retired)
    outcome = run(pool, PRELUDE + attack.program + TOLD, attack.wall_seconds)
    assert outcome.status == attack.status, outcome
    if attack.told:
        assert re.fullmatch(attack.told, outcome.result.decode()), outcome
    assert attack.retires or pool.statistics.retired == retired, (pool.statistics, retired)
    assert look_around(pool) == before
