"""The command in processes that are forked from one that has loaded it: a start is mostly imports.

Each is a process of its own, as `python -m canalgate` is: folder, environment, arguments, files, exit status
and signals are its own, and it imports what the command's module does not. This file run as a program is the
one that has loaded it. It forks a minder for each command, which forks the command, waits for it and tells.
"""

import atexit
import contextlib
import gc
import json
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading

MOST_BYTES = 200_000


class Forked:
    """A running command, with what tests use of subprocess.Popen. `files` are its 0, 1 and 2."""

    def __init__(self, arguments, folder, environment, files):
        wanted = {"arguments": arguments, "folder": str(folder), "environment": environment}
        self._minder, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.returncode = None
        with theirs:
            numbers = [theirs.fileno(), *(file if isinstance(file, int) else file.fileno() for file in files)]
            socket.send_fds(_loaded(), [json.dumps(wanted).encode()], numbers)
        self.pid = int(self._minder.recv(20))

    def wait(self, timeout=None):
        """Return its exit status. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            self._minder.settimeout(timeout)
            try:
                self.returncode = int(self._minder.recv(20))
            except (TimeoutError, BlockingIOError) as exc:
                raise subprocess.TimeoutExpired("canalgate", timeout) from exc
            self._minder.close()
        return self.returncode

    def poll(self):
        """Return its exit status, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


_lock, _started = threading.Lock(), []


def _loaded():
    """The socket to the process that has loaded the command, which is started when it is first needed."""
    with _lock:
        if not _started:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                number = theirs.fileno()
                process = subprocess.Popen(
                    [sys.executable, __file__, str(number)], cwd="/", stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL, pass_fds=[number],
                )  # fmt: skip
            _started.extend([ours, process])
            atexit.register(close)
        return _started[0]


def close():
    """Let the process that has loaded the command end."""
    with _lock:
        if _started:
            ours, process = _started
            ours.close()
            process.wait(20)
            _started.clear()


def _wanted(control):
    """Serve the tests; returns in each command what it is to do, and None where nothing more is asked."""
    while True:
        data, files, _, _ = socket.recv_fds(control, MOST_BYTES, 4)
        if data and os.fork() == 0:
            minded = socket.socket(fileno=files.pop(0))
            pid = os.fork()
            if pid == 0:
                control.close()
                minded.close()
                return json.loads(data), files
            _mind(pid, minded, files)
        for file in files:
            os.close(file)
        with contextlib.suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # so that their time is counted
                pass
        if not data:
            return None


def _mind(pid, tests, files):
    for file in files:
        os.close(file)
    with contextlib.suppress(ConnectionError):
        tests.send(str(pid).encode())
        tests.send(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])).encode())
    os._exit(0)


def _become(wanted, files):
    """Be what `python -m canalgate` is when it begins."""
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(3, max(files) + 1)
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.path.insert(0, wanted["folder"])
    sys.argv = ["canalgate", *wanted["arguments"]]
    sys.orig_argv = [sys.executable, "-m", "canalgate", *wanted["arguments"]]


if __name__ == "__main__":
    del sys.path[0]
    import canalgate.proxy.cli  # noqa: F401  for the processes that are forked

    gc.freeze()
    if asked := _wanted(socket.socket(fileno=int(sys.argv[1]))):
        _become(*asked)
        runpy.run_module("canalgate", run_name="__main__", alter_sys=True)
