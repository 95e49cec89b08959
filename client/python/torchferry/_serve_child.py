"""Becomes a program that gets SIGTERM when the process that started it has gone, however that ended.

    python _serve_child.py PARENT PROGRAM ARGUMENT...

Run as a file, before the program: between fork and exec of a process with threads, no Python may run.
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
    if os.getppid() != int(parent):  # it ended before it could be watched
        sys.exit("the process that started this server has ended")
    os.execv(program, [program, *arguments])


if __name__ == "__main__":
    main()
