"""Becomes a program that gets SIGTERM when the thread that started it ends, even when its process is killed.

    python _serve_child.py PARENT PROGRAM ARGUMENT...

This runs as a separate file, before the program. No Python may run between fork and exec of a process with threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    parent, program, *arguments = sys.argv[1:]
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):  # the parent ended before the signal was set
        sys.exit("the process that started this server has ended")
    os.execv(program, [program, *arguments])


if __name__ == "__main__":
    main()
