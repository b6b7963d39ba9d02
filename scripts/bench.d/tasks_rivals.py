"""Other ways to run /bin/true on a machine that is at hand: ssh over a shared connection, GNU parallel over
such an ssh, dask.distributed. Each is started for real, on loopback, and kept warm.

A contestant has `one()`, which runs one task and waits for its end, and `many(count)`.
"""

import json
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tasks_common import Missing

from ports import free_port
from zcross.paths import CACHE

# How many tasks run at a time where there are many: with more of them none of the contestants is faster.
AT_ONCE = 4 * (os.cpu_count() or 1)
SSHD = CACHE / "openssh-server/usr/sbin/sshd"
HERE = Path(__file__).resolve().parent


def program(name):
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/bin")
    if not found:
        raise Missing(f"no {name}: scripts/setup bench")
    return found


def spawned(*words):
    """Runs a program with as little of Python in between as there can be; its exit status has to be 0."""
    quiet = [(os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
             (os.POSIX_SPAWN_OPEN, 1, "/dev/null", os.O_WRONLY, 0)]
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=quiet)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status != 0:
        raise Missing(f"{' '.join(words)}: exit {status}")


class SshServer:
    """sshd on a port of its own with keys and a configuration of its own. In its mount namespace this user's
    shell is /bin/sh and the home folder is empty, so that no start file runs."""

    def __init__(self):
        if not SSHD.exists():
            raise Missing("no sshd: scripts/setup bench")
        self.folder = Path(tempfile.mkdtemp(prefix="zs-", dir="/tmp"))
        self.port = free_port()
        for name in ("host", "user"):
            subprocess.run(
                [program("ssh-keygen"), "-q", "-t", "ed25519", "-N", "", "-f", self.folder / name],
                check=True)
        (self.folder / "home").mkdir()
        self.configure()

    def __enter__(self):
        self.process = self.start()
        self.until_connected()
        return self

    def configure(self):
        me = pwd.getpwuid(os.getuid())
        accounts = [f"worker:x:{me.pw_uid}:{me.pw_gid}::{self.folder / 'home'}:/bin/sh",
                    "sshd:x:65533:65534::/run/sshd:/usr/sbin/nologin"]
        accounts += [line for line in Path("/etc/passwd").read_text().splitlines()
                     if line.split(":")[0] not in ("worker", "sshd")]
        (self.folder / "passwd").write_text("\n".join(accounts) + "\n")
        (self.folder / "sshd_config").write_text(f"""Port {self.port}
ListenAddress 127.0.0.1
HostKey {self.folder}/host
AuthorizedKeysFile {self.folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin yes
PermitUserRC no
PrintMotd no
PrintLastLog no
UseDNS no
MaxSessions 100
LogLevel ERROR
""")
        host_key = (self.folder / "host.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}")
        self.client_configuration = self.folder / "ssh_config"
        self.client_configuration.write_text(f"""Host machine
HostName 127.0.0.1
Port {self.port}
User worker
IdentityFile {self.folder}/user
IdentitiesOnly yes
UserKnownHostsFile {self.folder}/known_hosts
BatchMode yes
ControlMaster auto
ControlPath {self.folder}/control
ControlPersist yes
LogLevel ERROR
""")

    def start(self):
        script = (f"mount --bind {self.folder}/passwd /etc/passwd && mount -t tmpfs tmpfs /run && "
                  f"mkdir -m 755 /run/sshd && exec {SSHD} -D -e -f {self.folder}/sshd_config")
        # Who is not root gets the right to mount from a user namespace.
        user = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
        with open(self.folder / "sshd.log", "wb") as log:
            return subprocess.Popen(
                [program("unshare"), *user, "--mount", "sh", "-c", script],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    def until_connected(self):
        """Makes the connection that all calls share."""
        end = time.monotonic() + 20
        while True:
            done = subprocess.run(
                [program("ssh"), "-F", self.client_configuration, "-n", "machine", "/bin/true"],
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
            if done.returncode == 0:
                break
            if self.process.poll() is not None or time.monotonic() > end:
                log = (self.folder / "sshd.log").read_text()
                raise Missing(f"ssh: {done.stderr.strip()}; sshd: {log.strip()}")
            time.sleep(0.1)
        shell = subprocess.run(
            [program("ssh"), "-F", self.client_configuration, "-n", "machine", "echo $0 $SHELL $HOME"],
            stdout=subprocess.PIPE, text=True, check=True).stdout.split()
        if shell != ["sh", "/bin/sh", str(self.folder / "home")]:
            raise Missing(f"ssh: the user's shell is {shell}, not /bin/sh without start files")

    def __exit__(self, *_):
        subprocess.run(
            [program("ssh"), "-F", self.client_configuration, "-O", "exit", "machine"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Ssh:
    """`ssh machine /bin/true` over a connection that stands."""

    name = "ssh"

    def __init__(self, server):
        self.words = [program("ssh"), "-F", str(server.client_configuration), "-n", "machine"]

    def one(self):
        spawned(*self.words, "/bin/true")

    def many(self, count):
        subprocess.run(
            [program("xargs"), "-P", str(AT_ONCE), "-n", "1", *self.words, "/bin/true"],
            input="\n".join(map(str, range(count))), text=True, stdout=subprocess.DEVNULL, check=True)

    def close(self):
        pass


class Parallel:
    """GNU parallel, which calls the same ssh. It begins anew for each list of tasks: it cannot be kept."""

    name = "parallel"

    def __init__(self, server):
        self.server, self.home = server, tempfile.mkdtemp(prefix="zp-", dir="/tmp")
        # Else it asks for a citation.
        Path(self.home, "will-cite").touch()
        version = subprocess.run(
            [program("parallel"), "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
        if not version.startswith("GNU parallel"):
            raise Missing(f"parallel is not GNU's: {version.splitlines()[:1]}")

    def one(self):
        self.many(1)

    def many(self, count):
        subprocess.run(
            [program("parallel"), "--ssh", f"ssh -F {self.server.client_configuration}", "-S",
             f"{AT_ONCE}/machine", "-j", str(AT_ONCE), "/bin/true"],
            input="\n".join(map(str, range(count))) + "\n", text=True, check=True,
            stdout=subprocess.DEVNULL, env={**os.environ, "PARALLEL_HOME": self.home})

    def close(self):
        shutil.rmtree(self.home, ignore_errors=True)


class Dask:
    """dask.distributed: a scheduler and a worker's processes, each task a process of /bin/true."""

    name = "dask"

    def __init__(self):
        if not (CACHE / "dask/distributed").is_dir():
            raise Missing("no dask.distributed: scripts/setup bench")
        self.process = subprocess.Popen(
            [sys.executable, HERE / "tasks_dask.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True, env={**os.environ, "PYTHONPATH": str(CACHE / "dask")})
        self.answer()

    def answer(self):
        line = self.process.stdout.readline()
        if not line:
            raise Missing(f"dask.distributed ended with {self.process.wait()}")
        return json.loads(line)

    def many(self, count):
        self.process.stdin.write(f"{count}\n")
        self.process.stdin.flush()
        self.answer()

    def one(self):
        self.many(1)

    def close(self):
        self.process.stdin.close()
        self.process.wait(60)
