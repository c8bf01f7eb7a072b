"""Programs of the checks that take more than a line; they run in sandboxes."""

from typing import Final

REFUSED: Final = """
def refused(action):
    try:
        action()
    except OSError:
        return True
    return False
"""
STATUS: Final = """
import os
status = dict(line.split(':', 1) for line in open('/proc/self/status') if ':' in line)
"""
PLACELESS: Final = """
import os
home = os.environ['HOME']
for name, value in os.environ.items():
    os.environ[name] = value.replace(home, 'home')
"""
DAEMON: Final = """
import os, time
reading, writing = os.pipe()
if not os.fork():
    os.setsid()
    pid = os.fork()
    if pid:
        os.write(writing, str(pid).encode())
        os._exit(0)
    while True:
        time.sleep(9)
channel.write(os.read(reading, 20))
"""
ALIVE: Final = """
def is_alive(pid):
    try:
        return open(f'/proc/{pid}/stat').read().rsplit(')', 1)[1].split()[0] not in 'ZX'
    except OSError:
        return False
"""
BUSY: Final = """
import time
held = bytearray(60_000_000)
end = time.process_time() + 0.2
while time.process_time() < end:
    pass
"""
PLACES: Final = """
import os, sysconfig
library = sysconfig.get_path('stdlib')
places = ['/', '/etc', '/tmp', '/var/tmp', '/dev/shm', library, os.path.dirname(os.getcwd())]

def writes(place):
    try:
        with open(place + '/written', 'w'):
            return True
    except OSError:
        return False
"""
PATRICIDE: Final = f"""
import os, signal
{REFUSED}
server = os.getppid()
seen = [
    refused(lambda: os.kill(server, signal.SIGKILL)),
    refused(lambda: open(f'/proc/{{server}}/mem', 'rb')),
]
channel.write(str(seen).encode())
refused(lambda: os.kill(-1, signal.SIGKILL))
"""
FORGED: Final = r"""
import os
frame = b'\0\0\0\4\x11abcd'
for fd in range(256):
    try:
        os.write(fd, frame)
    except OSError:
        pass
"""
FORKS: Final = """
import os, time
made = 0
try:
    for _ in range(500):
        if not os.fork():
            time.sleep(30)
            os._exit(0)
        made += 1
except OSError:
    pass
print(made, flush=True)
"""
THREADS: Final = """
import threading, time
made = 0
try:
    for _ in range(500):
        threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
        made += 1
except RuntimeError:
    pass
print(made, flush=True)
"""
HUNGRY_CHILDREN: Final = """
import os, time
for _ in range(6):
    if not os.fork():
        held = bytearray(b'x' * 80_000_000)
        time.sleep(3)
        os._exit(0)
codes = [os.wait()[1] for _ in range(6)]
channel.write(str(codes).encode())
"""
MANY_FILES: Final = """
import os
try:
    for number in range(60_000):
        os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY))
except OSError as error:
    channel.write(str(error.errno).encode())
"""
LEFT_SLEEPING: Final = """
import os, time
for _ in range(3):
    if not os.fork():
        os.setsid()
        time.sleep(61)
"""
SLEEPERS: Final = """
import os
found = []
for pid in filter(str.isdigit, os.listdir('/proc')):
    try:
        line, user = open(f'/proc/{pid}/cmdline').read(), os.stat(f'/proc/{pid}').st_uid
    except OSError:
        continue
    if user == os.getuid() and 'time.sleep(6' + '1)' in line:
        found.append(pid)
print(found)
"""
RIGHTS: Final = f"""
{STATUS}
print(os.getuid(), int(status['CapEff'], 16))
"""
