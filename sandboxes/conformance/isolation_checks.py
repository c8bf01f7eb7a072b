"""What jobs must not reach: the network, the machine, each other, more than their share."""

import os
import secrets
import socket
import tempfile
from pathlib import Path

from sandboxes.conformance import programs
from sandboxes.conformance.bench import SCRATCH, Bench, Check, expect, job, named


def the_network_is_unreachable(bench: Bench) -> None:
    """No address outside can be routed, and there is no interface but an own loopback."""
    setup = f"import socket\n{programs.REFUSED}"
    seen = bench.says("refused(lambda: socket.create_connection(('192.0.2.1', 80), 2))", setup)
    expect(seen == "True", "an outside address was reached")
    names = bench.says("[name for _, name in socket.if_nameindex()]", "import socket")
    expect(names in ("[]", "['lo']"), f"interfaces: {names}")


def servers_of_the_machine_are_out_of_reach(bench: Bench) -> None:
    """A server on this machine's loopback, and one on an abstract socket, are not to be connected to."""
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as named_server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        name = f"\0{secrets.token_hex(8)}"
        named_server.bind(name)
        named_server.listen()
        setup = f"import socket\n{programs.REFUSED}\nname = {name!r}\nunix = socket.socket(socket.AF_UNIX)"
        tcp = bench.says(
            f"refused(lambda: socket.create_connection(('127.0.0.1', {server.getsockname()[1]}), 2))", setup
        )
        abstract = bench.says("refused(lambda: unix.connect(name))", setup)
    expect((tcp, abstract) == ("True", "True"), f"refused: loopback {tcp}, abstract socket {abstract}")


def files_of_the_machine_are_out_of_sight(bench: Bench) -> None:
    """A file that anybody on this machine may read is not to be seen."""
    with tempfile.NamedTemporaryFile(dir="/tmp") as file:
        Path(file.name).chmod(0o644)
        expect(bench.says(f"os.path.exists({file.name!r})", "import os") == "False", "a file of the machine is visible")


def processes_of_the_machine_are_out_of_sight(bench: Bench) -> None:
    """A process outside can be neither seen nor signalled."""
    mine = Path("/proc/self/cmdline").read_bytes()
    setup = "import glob\ndef text(path):\n    try: return open(path, 'rb').read()\n    except OSError: return b''"
    seen = bench.says(f"{mine!r} in [text(path) for path in glob.glob('/proc/[0-9]*/cmdline')]", setup)
    expect(seen == "False", "this process is visible")


def nothing_but_the_own_directory_can_be_written(bench: Bench) -> None:
    """The root, the interpreter and ``/tmp`` are read-only or refuse."""
    seen = bench.says("[place for place in places if os.path.isdir(place) and writes(place)]", programs.PLACES)
    expect(seen == "[]", f"written to: {seen}")


def jobs_are_nobody(bench: Bench) -> None:
    """A job is not root, holds no capability and cannot gain any."""
    seen = bench.says(
        "(os.getuid() == 0, int(status['CapEff'], 16), int(status['CapBnd'], 16) and 0, status['NoNewPrivs'].strip())",
        programs.STATUS,
    )
    expect(seen == "(False, 0, 0, '1')", f"root, capabilities, no-new-privileges: {seen}")


def system_calls_are_filtered(bench: Bench) -> None:
    """A seccomp filter is in force."""
    expect(bench.says("status['Seccomp'].strip()", programs.STATUS) == "2", "there is no filter")


def each_job_has_a_user_of_its_own(bench: Bench) -> None:
    """Two jobs of one sandbox run under different user ids."""
    users = {bench.says("os.getuid()", "import os") for _ in range(3)}
    expect(len(users) == 3, f"three jobs had the users {sorted(users)}")


def namespaces_cannot_be_made(bench: Bench) -> None:
    """A job cannot make a user namespace, mount, or become root."""
    setup = f"import ctypes, os\n{programs.REFUSED}\nlibc = ctypes.CDLL(None, use_errno=True)"
    seen = bench.says(
        "(libc.unshare(0x10000000), libc.mount(b'none', b'/proc', b'tmpfs', 0, None), refused(lambda: os.setuid(0)))",
        setup,
    )
    expect(seen == "(-1, -1, True)", f"unshare, mount, setuid: {seen}")


def the_server_cannot_be_touched(bench: Bench) -> None:
    """The sandbox's server can be neither killed nor read by a job, and what a job kills are its own processes."""
    outcome = bench.run(programs.PATRICIDE)
    expect(outcome.result == b"[True, True]", f"kill and memory refused: {outcome.result!r}")
    expect(bench.says("6 * 7") == "42", "the sandbox is dead")


def only_the_named_descriptors_are_open(bench: Bench) -> None:
    """A job inherits its three streams and its result, nothing else."""
    setup = "import os\ndef is_open(fd):\n    try: os.fstat(fd)\n    except OSError: return False\n    return True"
    seen = bench.says("[fd for fd in range(3, 1024) if is_open(fd)]", setup)
    expect(seen == "[250]", f"open: {seen}")


def forged_frames_reach_nobody(bench: Bench) -> None:
    """Frames written to every descriptor are at most the job's own result."""
    outcome = bench.run(programs.FORGED)
    expect(outcome.status in ("finished", "guest_fault"), f"it ended as {outcome.status}")
    expect(bench.says("6 * 7") == "42", "the sandbox is dead")


def the_environment_of_the_machine_stays_there(bench: Bench) -> None:
    """No variable of this process reaches a job."""
    mark = f"TRACEGEN_CHECK_{secrets.token_hex(4)}"
    os.environ[mark] = "secret"
    try:
        with bench.another() as pool:
            expect(bench.says(f"{mark!r} in os.environ", "import os", pool) == "False", "a variable is there")
    finally:
        del os.environ[mark]


def processes_are_limited(bench: Bench) -> None:
    """A fork bomb meets a limit, and the next job is unharmed."""
    made = int(bench.run(programs.FORKS).stdout or b"500")
    expect(made < bench.spec.processes, f"{made} processes were made")
    expect(bench.says("6 * 7") == "42", "the next job failed")


def threads_are_limited(bench: Bench) -> None:
    """So does a bomb of threads."""
    made = int(bench.run(programs.THREADS).stdout or b"500")
    expect(made < bench.spec.processes, f"{made} threads were made")
    expect(bench.says("6 * 7") == "42", "the next job failed")


def memory_of_the_sandbox_is_limited(bench: Bench) -> None:
    """Memory beyond the sandbox's is ``out_of_memory``, and the next job is unharmed."""
    with bench.another() as pool:
        text = "held = []\nwhile True: held.append(bytearray(b'x' * 8_000_000))"
        outcome = pool.run(job(text, seconds=30))
        expect(outcome.status == "out_of_memory", f"it ended as {outcome.status}")
        expect(bench.says("6 * 7", pool=pool) == "42", "the next job failed")


def memory_of_many_processes_is_limited(bench: Bench) -> None:
    """So is that of several processes of one job together."""
    with bench.another() as pool:
        outcome = pool.run(job(programs.HUNGRY_CHILDREN, seconds=40))
        died = outcome.status == "out_of_memory" or b"9" in outcome.result
        expect(died, f"six times 80 MB fitted into {bench.spec.memory_bytes} bytes: {outcome.result!r}")
        expect(bench.says("6 * 7", pool=pool) == "42", "the next job failed")


def disk_is_limited(bench: Bench) -> None:
    """Files beyond the scratch size are refused, and the room is there again for the next job."""
    text = (
        f"try:\n    for n in range(64):\n        open(str(n), 'wb').write(b'x' * {SCRATCH // 16})\n"
        "except OSError as error: channel.write(str(error.errno).encode())"
    )
    outcome = bench.run(text)
    expect(outcome.result in (b"28", b"27"), f"four times the room: {outcome.status}, {outcome.result!r}")
    half = f"[open(str(n), 'wb').write(b'x' * {SCRATCH // 16}) for n in range(8)]"
    expect(bench.says(f"sum({half})") == str(SCRATCH // 2), "the room is not there again")


def inodes_are_limited(bench: Bench) -> None:
    """So is the number of files."""
    outcome = bench.run(programs.MANY_FILES, seconds=60)
    expect(outcome.result == b"28", f"60,000 files: {outcome.status}, {outcome.result!r}")
    expect(bench.says("open('f', 'w').write('x')") == "1", "no file can be made any more")


def deep_directories_are_removed(bench: Bench) -> None:
    """A directory 2,000 deep is gone for the next job."""
    bench.run("import os\nfor _ in range(2000):\n    os.mkdir('d'); os.chdir('d')", seconds=30)
    expect(bench.says("os.listdir(os.environ['HOME'])", "import os") == "[]", "it is still there")


CHECKS: list[Check] = named(
    "isolation",
    [
        the_network_is_unreachable,
        servers_of_the_machine_are_out_of_reach,
        files_of_the_machine_are_out_of_sight,
        processes_of_the_machine_are_out_of_sight,
        nothing_but_the_own_directory_can_be_written,
        jobs_are_nobody,
        system_calls_are_filtered,
        each_job_has_a_user_of_its_own,
        namespaces_cannot_be_made,
        the_server_cannot_be_touched,
        only_the_named_descriptors_are_open,
        forged_frames_reach_nobody,
        the_environment_of_the_machine_stays_there,
        processes_are_limited,
        threads_are_limited,
        memory_of_the_sandbox_is_limited,
        memory_of_many_processes_is_limited,
        disk_is_limited,
        inodes_are_limited,
        deep_directories_are_removed,
    ],
)
