"""Runs ministack until stdin closes, a time has passed, or it ends by itself.

Whoever starts this holds the other end of stdin: when that process ends, in whatever way, the pipe
closes and nothing is left behind. The server and its Lambda processes are one process group. Should
this process itself be killed, the kernel kills the server, where it is Linux.
"""

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import time


PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main() -> int:
    ends = time.monotonic() + float(sys.argv[1])
    # Looked up here: little may be done between fork and exec.
    prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
    supervisor = os.getpid()

    def end_with_supervisor() -> None:
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
            if os.getppid() != supervisor:
                os._exit(1)  # it was gone before the kernel knew what to do then

    server = subprocess.Popen(
        [sys.executable, "-c", "from ministack.app import main; main()"],
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=end_with_supervisor,
    )
    # Ctrl-C reaches the whole foreground group; the parent closes stdin when it is ready.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: os.close(0))
    try:
        while server.poll() is None and time.monotonic() < ends:
            readable, _, _ = select.select([0], [], [], 0.5)
            if readable and not os.read(0, 4096):
                break
    except (OSError, ValueError):
        pass  # stdin was closed by the handler above
    if server.poll() is not None:
        return server.returncode
    stop(server, signal.SIGTERM, 3.0)
    stop(server, signal.SIGKILL, 2.0)
    # Its code caches and log; whoever wanted the log has read it by now.
    shutil.rmtree(os.getcwd(), ignore_errors=True)
    return 0


def stop(server: subprocess.Popen, sig: int, patience: float) -> None:
    try:
        os.killpg(server.pid, sig)
    except ProcessLookupError:
        return
    try:
        server.wait(patience)
    except subprocess.TimeoutExpired:
        pass


if __name__ == "__main__":
    sys.exit(main())
