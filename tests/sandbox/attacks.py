"""What code behind the walls may try: an attack that gets through says BREACH. Run in a sandbox only."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from executor.sandbox.base import Limits
from executor.sandbox.places import Places

CANARY = "canary-7f3a9c"

_FRAME = """
import ctypes, json, os, signal, socket, stat, struct, subprocess, sys
CTX = json.loads(os.environ["CTX"])
libc = ctypes.CDLL(None, use_errno=True)
def breach(why): print("BREACH", why)
def read(path):
    with open(path, "rb") as file: text = file.read(1 << 20)
    if CTX["word"].encode() in text or text: breach(path)
def connect(family, address):
    with socket.socket(family) as s:
        s.settimeout(2); s.connect(address); breach(address)
def syscall_succeeds(result, name):
    if result >= 0: breach(name)
try:
{body}
except (OSError, ValueError, subprocess.SubprocessError, MemoryError) as error:
    print("blocked by", type(error).__name__)
print("TRIED")
"""

ATTACKS: dict[str, str] = {
    "read a key file": "read(CTX['key'])",
    "read a file that everyone on the machine may read": "read(CTX['open_file'])",
    "find the daemon's keys in the own environment": (
        "if any('canary' in v for k, v in os.environ.items() if k != 'CTX'): breach('env')"
    ),
    "find the daemon's keys in the environment of any process": """
for pid in filter(str.isdigit, os.listdir('/proc')):
    text = open(f'/proc/{pid}/environ', 'rb').read()
    if pid != str(os.getpid()) and b'DAEMON_KEY' in text: breach(pid)
""",
    "read the environment of the machine's first process": """
import pathlib
if CTX['first'].encode() not in pathlib.Path('/proc/1/cmdline').read_bytes(): breach('first process')
if b'DAEMON_KEY' in pathlib.Path('/proc/1/environ').read_bytes(): breach('environ')
""",
    "see the daemon's process": "os.stat('/proc/' + str(CTX['pid'])) and CTX['pid'] > 60 and breach('pid')",
    "walk to the machine through /proc/1/root": "read('/proc/1/root' + CTX['key'])",
    "walk to the machine through /proc/self/cwd/..": "read('/proc/self/cwd/../../../../../..' + CTX['key'])",
    "read the password file": "read('/etc/shadow')",
    "list root's home": "os.listdir('/root'); breach('/root')",
    "read another build's workspace": "read(CTX['other_workspace'] + '/file')",
    "write to the system's programs": "open('/usr/bin/evil', 'w').write('x'); breach('usr')",
    "write to the root of the file system": "open('/evil', 'w').write('x'); breach('/')",
    "write to /etc": "open('/etc/ld.so.preload', 'w').write('x'); breach('etc')",
    "write to the devices' directory": "open('/dev/evil', 'w').write('x'); breach('dev')",
    "write to the shared venv": "open('/venv/lib.py', 'a').write('evil'); breach('venv')",
    "make the shared venv writable": "os.chmod('/venv/lib.py', 0o777); breach('chmod')",
    "hard-link the shared venv into the workspace": "os.link('/venv/lib.py', '/ws/lib.py'); breach('link')",
    "read through a link out of the workspace": "os.symlink(CTX['key'], '/ws/l'); read('/ws/l')",
    "open a loopback connection": "connect(socket.AF_INET, ('127.0.0.1', CTX['port']))",
    "open a loopback connection over IPv6": "connect(socket.AF_INET6, ('::1', CTX['port6']))",
    "reach the machine by its own address": "connect(socket.AF_INET, (CTX['own_ip'], CTX['port']))",
    "reach the cloud's metadata service": "connect(socket.AF_INET, ('169.254.169.254', 80))",
    "reach the local network": "connect(socket.AF_INET, ('192.168.1.1', 80))",
    "send a datagram": (
        "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "s.sendto(b'x', (CTX['own_ip'], 53)); breach('udp')"
    ),
    "resolve a name": "socket.getaddrinfo('example.com', 80); breach('dns')",
    "reach an abstract unix socket": "connect(socket.AF_UNIX, '\\0' + CTX['abstract'])",
    "reach a unix socket by its path": "connect(socket.AF_UNIX, CTX['unix'])",
    "reach docker": "connect(socket.AF_UNIX, '/var/run/docker.sock')",
    "open a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); breach('raw')",
    "open a packet socket": "socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 3); breach('packet')",
    "mount something": "syscall_succeeds(libc.mount(b'none', b'/ws', b'tmpfs', 0, None), 'mount')",
    "remount the root writable": "syscall_succeeds(libc.mount(b'none', b'/', None, 32, None), 'remount')",
    "unmount a wall": "syscall_succeeds(libc.umount2(b'/usr', 2), 'umount')",
    "make a user namespace": "syscall_succeeds(libc.unshare(0x10000000), 'userns')",
    "make a mount namespace": "syscall_succeeds(libc.unshare(0x00020000), 'mntns')",
    "change the root directory": "os.chroot('/ws'); breach('chroot')",
    "trace the daemon": "syscall_succeeds(libc.ptrace(16, CTX['pid'], 0, 0), 'ptrace')",
    "trace a process of the same uid": "syscall_succeeds(libc.ptrace(16, CTX['victim'], 0, 0), 'ptrace')",
    "read the memory of a process of the same uid": "read(f'/proc/{CTX[\"victim\"]}/mem')",
    "read the memory of the first process": "read('/proc/1/mem')",
    "kill the daemon": "os.kill(CTX['pid'], 9) if CTX['pid'] > 60 else None\nprint('no such process')",
    "kill a process of the same uid": "os.kill(CTX['victim'], 9) if CTX['victim'] > 60 else None",
    "become root": "os.setuid(0); breach('setuid')",
    "change the groups": "os.setgroups([0]); breach('setgroups')",
    "gain rights through a setuid program": """
status = open('/proc/self/status').read()
if 'NoNewPrivs:\\t1' not in status: breach('new privileges are possible')
for line in status.splitlines():
    if line.startswith(('CapEff', 'CapPrm', 'CapBnd', 'CapAmb')) and int(line.split()[1], 16): breach(line)
if os.getuid() == 0: breach('root')
""",
    "gain rights through a program made setuid": """
import shutil
shutil.copy('/usr/bin/id', '/ws/id'); os.chmod('/ws/id', 0o6755)
if b'euid=0' in subprocess.run(['/ws/id'], capture_output=True).stdout: breach('suid')
""",
    "make a disk device": "os.mknod('/ws/disk', stat.S_IFBLK | 0o666, os.makedev(254, 0)); breach('mknod')",
    "open the machine's memory": "read('/dev/mem')",
    "open the machine's disk": "read('/dev/vda')",
    "write a kernel setting": "open('/proc/sys/kernel/core_pattern', 'w').write('|/ws/x'); breach('sysctl')",
    "press the magic key": "open('/proc/sysrq-trigger', 'w').write('h'); breach('sysrq')",
    "see the machine's devices in /sys": "os.listdir('/sys') and breach('sys')",
    "leave its cgroup": "open('/sys/fs/cgroup/pids/cgroup.procs', 'w').write('0'); breach('cgroup')",
    "load a kernel module": "syscall_succeeds(libc.syscall(175, b'x', 1, b''), 'init_module')",
    "rename the machine": "socket.sethostname('evil'); breach('hostname')",
    "set the clock": "__import__('time').clock_settime(0, 0); breach('clock')",
    "raise its own limits": """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 19, 1 << 19)); breach('nofile')
""",
    "leave a core dump": """
import resource
if resource.getrlimit(resource.RLIMIT_CORE) != (0, 0): breach('core')
""",
    "write one enormous file": """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open('/ws/big', 'wb') as f:
    f.seek(CTX['file_bytes']); f.write(b'x' * 4096); f.flush(); breach('fsize')
""",
    "open files without end": "[open('/dev/null') for _ in range(5000)]; breach('fds')",
    "fill /dev/shm": """
with open('/dev/shm/x', 'wb') as f:
    for _ in range(200): f.write(b'x' * (1 << 20))
breach('shm')
""",
    "fill /tmp": """
with open('/tmp/x', 'wb') as f:
    for _ in range(400): f.write(b'x' * (1 << 20))
breach('tmp')
""",
    "use a descriptor of the daemon": (
        "extra = [fd for fd in map(int, os.listdir('/proc/self/fd')) if fd > 2]\n"
        "for fd in extra:\n    os.fstat(fd); breach(fd)"
    ),
    "push keys into a terminal": "__import__('fcntl').ioctl(0, 0x5412, b'x'); breach('tiocsti')",
    "open the controlling terminal": "open('/dev/tty', 'w').write('x'); breach('tty')",
    "bind a privileged port": "socket.socket().bind(('0.0.0.0', 80)); breach('port')",
}


@contextmanager
def world_to_attack(places: Places, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Real things to attack: keys, listeners, a neighbour, a process of the sandbox's own uid."""
    key = tmp_path / "key"
    key.write_text(CANARY)
    key.chmod(0o600)
    open_file = Path("/var/tmp") / f"open-{os.getpid()}"
    open_file.write_text(CANARY)
    open_file.chmod(0o644)
    other = places.workspace("other-build")
    (other / "file").write_text(CANARY)
    unix_path = Path("/var/tmp") / f"s-{os.getpid()}"
    listeners = [
        socket.create_server(("0.0.0.0", 0)),
        socket.create_server(("::1", 0), family=socket.AF_INET6),
    ]
    for address in (f"\0abstract-{os.getpid()}", str(unix_path)):
        listeners.append(socket.socket(socket.AF_UNIX))
        listeners[-1].bind(address)
        listeners[-1].listen()
    unix_path.chmod(0o777)
    drop = ["setpriv", f"--reuid={places.sandbox_uid}", "--clear-groups"] if places.sandbox_uid else []
    victim = subprocess.Popen([*drop, "sleep", "300"])
    yield {
        "word": CANARY,
        "key": str(key),
        "open_file": str(open_file),
        "other_workspace": str(other),
        "pid": os.getpid(),
        "victim": victim.pid,
        "port": listeners[0].getsockname()[1],
        "port6": listeners[1].getsockname()[1],
        "own_ip": _own_ip(),
        "abstract": f"abstract-{os.getpid()}",
        "unix": str(unix_path),
        "file_bytes": 8 << 20,
    }
    survived = victim.poll() is None
    victim.kill()
    victim.wait()
    for listener in listeners:
        listener.close()
    open_file.unlink()
    unix_path.unlink()
    assert survived, "the attack killed a process outside"


def _own_ip() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return "127.0.0.1"


def script_of(attack: str) -> str:
    """The Python program of one attack; it reads its world from CTX."""
    body = "\n".join(f"    {line}" for line in ATTACKS[attack].strip().splitlines())
    return _FRAME.replace("{body}", body)


def limits_of(attack: str) -> Limits:
    """The limits that the attack is made against."""
    return Limits(wall_seconds=60, file_bytes=8 << 20 if "enormous" in attack else 512 << 20)


def judge(attack: str, output: str) -> None:
    """Fail if it got through, or was not even tried."""
    assert "TRIED" in output, (attack, output)
    assert "BREACH" not in output, (attack, output)
    assert "NameError" not in output, (attack, output)


# Makes many attacks in one container, each in a process of its own; the reply is one JSON line for each.
DRIVER = """
import json, subprocess, sys
for name, script in json.load(open('/ws/attacks.json')):
    done = subprocess.run([sys.executable, '-I', '-c', script], stdout=-1, stderr=-2, close_fds=False)
    print(json.dumps([name, done.stdout.decode('utf-8', 'replace')]), flush=True)
"""
