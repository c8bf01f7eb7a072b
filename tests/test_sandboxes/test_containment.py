"""Attacks on the hardened container, each really run. The list follows docs/sandbox-security.md."""

import dataclasses

import pytest
from sandbox_jobs import run, says, works

from sandboxes import open_pool
from sandboxes.api import ImageRef, Pool, PoolJob, PoolSpec
from sandboxes.docker import hardening
from schemas.errors import LimitUnsupported

pytestmark = pytest.mark.docker


def test_a_job_has_no_rights(docker_pool: Pool) -> None:
    fields = "{n: v.strip() for n, _, v in (l.partition(':') for l in open('/proc/self/status'))}"
    status = f"[{fields}[n] for n in ('CapEff', 'CapPrm', 'CapInh', 'NoNewPrivs', 'Seccomp')]"
    assert says(docker_pool, status) == f"{['0' * 16] * 3 + ['1', '2']}"
    for call in ("os.setuid(0)", "os.setgid(0)", "os.chroot('/')", "os.chown('.', 0, 0)", "os.kill(os.getppid(), 9)"):
        assert b"PermissionError" in run(docker_pool, f"import os\n{call}").stderr, call
    assert works(docker_pool)


def test_each_job_has_a_user_of_its_own(docker_pool: Pool) -> None:
    users = [says(docker_pool, "(os.getuid(), os.getgid(), os.getgroups())", "import os") for _ in range(3)]
    assert len(set(users)) == 3
    assert all(user.startswith("(") and not user.startswith("(0") and user.endswith("[])") for user in users)


def test_there_is_no_network(docker_pool: Pool) -> None:
    for address in ("('192.0.2.1', 80)", "('172.17.0.1', 2375)", "('169.254.169.254', 80)"):
        outcome = run(docker_pool, f"import socket\nsocket.create_connection({address}, timeout=2)")
        assert b"Network is unreachable" in outcome.stderr, outcome
    assert says(docker_pool, "[n for _, n in socket.if_nameindex()]", "import socket") == "['lo']"


def test_nothing_but_the_jobs_directory_can_be_written(docker_pool: Pool) -> None:
    walk = (
        "import os\nfound = []\n"
        "def names(top): return [e.path for e in os.scandir(top) if e.is_dir(follow_symlinks=False)]\n"
        "tops = [os.getcwd(), '/', *(n for n in names('/') if n not in ('/proc', '/sys'))]\n"
        "for top in tops:\n"
        "    try:\n"
        "        if top != '/': tops += [name for name in names(top) if name not in tops]\n"
        "    except OSError: pass\n"
        "    try:\n"
        "        open(os.path.join(top, '.x'), 'w').close()\n"
        "        found.append(top)\n"
        "    except OSError: pass"
    )
    assert says(docker_pool, "found", walk) == "['/jobs/job']"


def test_a_file_left_for_the_next_job_is_gone(docker_pool: Pool) -> None:
    assert run(docker_pool, "open('left', 'w').write('x'); open('../left', 'w')").exit_code == 1
    assert says(docker_pool, "os.listdir('/jobs/job')", "import os") == "[]"


def test_memory_that_would_outlive_a_job_cannot_be_had(docker_pool: Pool) -> None:
    assert run(docker_pool, "open('/dev/shm/left', 'w')").exit_code == 1
    libc = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
    for call in ("shmget(7, 4096, 0o1666)", "semget(7, 1, 0o1666)", "msgget(7, 0o1666)", "mq_open(b'/q', 66, 438, 0)"):
        assert says(docker_pool, f"libc.{call}", libc) == "-1", call


def test_disk_and_inodes_end(docker_pool: Pool) -> None:
    fill = "import os\nfor n in range(200):\n    with open(str(n), 'wb') as file: file.write(bytes(1 << 20))"
    assert b"No space left on device" in run(docker_pool, fill).stderr
    many = "for n in range(30000): open(str(n), 'w').close()"
    assert b"No space left on device" in run(docker_pool, many).stderr
    assert works(docker_pool)


def test_a_fork_bomb_is_stopped_and_swept(docker_pool: Pool) -> None:
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass"
    assert run(docker_pool, bomb, wall_seconds=1).status == "timeout"
    assert works(docker_pool)
    assert docker_pool.statistics.retired == {}


def test_threads_end(docker_pool: Pool) -> None:
    start = "threading.Thread(target=time.sleep, args=(9,), daemon=True).start()"
    outcome = run(docker_pool, f"import threading, time\nfor _ in range(200): {start}")
    assert b"can't start new thread" in outcome.stderr


def test_too_much_memory_is_an_out_of_memory_and_the_server_survives(spec: PoolSpec, docker_image: ImageRef) -> None:
    with open_pool("docker", dataclasses.replace(spec, memory_bytes=128 * 2**20), docker_image) as pool:
        outcome = run(pool, "channel.write(b'x')\nhoard = []\nwhile True: hoard.append(bytearray(1 << 20))")
        assert (outcome.status, outcome.signal, outcome.result) == ("out_of_memory", 9, b"x")
        assert works(pool)
        assert pool.statistics.sandboxes_started == 1


def test_a_killed_program_is_not_out_of_memory(docker_pool: Pool) -> None:
    outcome = run(docker_pool, "import os\nos.kill(os.getpid(), 9)")
    assert (outcome.status, outcome.signal) == ("killed", 9)


def test_the_server_cannot_be_looked_into(docker_pool: Pool) -> None:
    for name in ("mem", "maps", "environ", "fd", "cwd", "root"):
        text = f"path = '/proc/%d/{name}' % os.getppid()\nos.listdir(path) if os.path.isdir(path) else open(path)"
        assert b"PermissionError" in run(docker_pool, f"import os\n{text}").stderr, name
    assert (
        says(docker_pool, "libc.ptrace(16, os.getppid(), 0, 0)", "import ctypes, os\nlibc = ctypes.CDLL(None)") == "-1"
    )


def test_kill_everything_kills_the_killer_only(docker_pool: Pool) -> None:
    text = "import os\nif not os.fork():\n    import time; time.sleep(50)\nos.kill(-1, 9)\nos._exit(3)"
    assert run(docker_pool, text).exit_code == 3
    assert works(docker_pool)
    assert docker_pool.statistics.retired == {}


def test_forged_frames_reach_nobody(docker_pool: Pool) -> None:
    text = (
        "import os\n"
        "from _tracegen_sandbox import frames\n"
        "forged = frames.pack(frames.OUTCOME, b'x' * 64)\n"
        "for fd in range(1024):\n"
        "    try: os.write(fd, forged)\n"
        "    except OSError: pass\n"
        "for pid in (1, os.getppid()):\n"
        "    for fd in range(10):\n"
        "        try: open('/proc/%d/fd/%d' % (pid, fd), 'wb', 0).write(forged)\n"
        "        except OSError: pass\n"
    )
    outcome = run(docker_pool, text)
    assert (outcome.status, outcome.exit_code) == ("finished", 0)
    assert outcome.stdout == outcome.result  # each got one copy, and the channel none
    assert works(docker_pool)
    assert docker_pool.statistics.retired == {}


def test_a_directory_that_cannot_be_removed_retires_the_container(docker_pool: Pool) -> None:
    # In a sticky directory only owners may remove, and the server has no CAP_FOWNER.
    run(docker_pool, "import os\nos.mkdir('d'); open('d/f', 'w').close(); os.chmod('d', 0o1777)")
    assert docker_pool.statistics.retired == {"anomaly": 1}
    assert says(docker_pool, "os.listdir('/jobs/job')", "import os") == "[]"


def test_programs_in_the_jobs_directory_cannot_be_executed(docker_pool: Pool) -> None:
    made = "import os\nopen('run', 'w').write('#!/usr/local/bin/python3\\n'); os.chmod('run', 0o755)\n"
    assert b"PermissionError" in run(docker_pool, f"{made}os.execv('run', ['run'])").stderr


def test_a_forged_result_of_ones_own_is_possible(docker_pool: Pool) -> None:
    """Not covered, and said so: code that shares the recorder's process can write what it likes."""
    assert run(docker_pool, "import os\nos.write(250, b'forged'); os._exit(0)").result == b"forged"


def test_the_hash_seed_reaches_the_container(docker_pool: Pool, spec: PoolSpec, docker_image: ImageRef) -> None:
    with open_pool("docker", dataclasses.replace(spec, hash_seed=1), docker_image) as other:
        assert says(other, "hash('tracegen')") != says(docker_pool, "hash('tracegen')")


def test_a_fresh_container_has_run_nothing(docker_pool: Pool) -> None:
    text = b"import time\nchannel.write(open('/proc/%d/stat' % __import__('os').getppid()).read().split()[21].encode())"
    first, again = docker_pool.run(PoolJob(text, 10)), docker_pool.run(PoolJob(text, 10))
    fresh = docker_pool.run(PoolJob(text, 10), fresh=True)
    assert first.result == again.result != fresh.result


@pytest.mark.parametrize(
    ("seen", "named"),
    [
        ({"capabilities": 0x20}, "capabilities is 32"),
        ({"no_new_privileges": False}, "no_new_privileges"),
        ({"network": ""}, "can be routed"),
        ({"uid": 0}, "as root"),
        ({"limits": {"memory": None, "pids": 64}}, "memory limit is None"),
        ({"limits": {"memory": 2**30, "pids": None}}, "pids limit is None"),
        ({"limits": {"memory": 2**30, "pids": 64}, "total_swap": 1}, "swap is not limited"),
        ({"writable_mounts": ["/data", "/jobs"]}, "/data"),
        ({"scratch_bytes": 2**40}, "file system"),
        ({"scratch_inodes": 2**20}, "takes 1048576 files, not 20000"),
        ({"new_namespaces": True}, "new_namespaces is True"),
        ({"new_namespaces": "unknown (no ctypes)"}, "unknown"),
    ],
)
def test_a_profile_that_is_not_enforced_is_refused(seen: dict[str, object], named: str) -> None:
    check: dict[str, object] = {
        "capabilities": 0,
        "no_new_privileges": True,
        "seccomp": "2",
        "root_writable": False,
        "tmp_writable": False,
        "server_root_writable": False,
        "parent_readable": False,
        "interfaces": [],
        "writable_mounts": ["/jobs"],
        "network": "Network is unreachable",
        "uid": 2001,
        "limits": {"memory": 2**30, "swap": 2**30, "pids": 64},
        "total_swap": 0,
        "scratch_bytes": 64 * 2**20,
        "scratch_inodes": 20_000,
        "new_namespaces": False,
    }
    spec = PoolSpec(b"", "")
    hardening.verify(check, spec)
    with pytest.raises(LimitUnsupported, match=named):
        hardening.verify({**check, **seen}, spec)
