"""Records what a process asks of the disk, and what it tells others, by strace.

Real system calls are recorded, and not calls of our own file layer, because the index's files are written by
SQLite, in C: whatever writes, the kernel sees it. The model refuses a call that it does not understand, so
nothing passes unnoticed.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

_CALLS = (
    "open,openat,openat2,creat,close,dup,dup2,dup3,lseek,write,pwrite64,writev,pwritev,pwritev2,truncate,ftruncate,"
    "fallocate,copy_file_range,sendfile,splice,mmap,fsync,fdatasync,sync_file_range,sync,syncfs,rename,renameat,"
    "renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,sendto,sendmsg"
)
_LONGEST_WRITE = 8 << 20


def start_recorded(module: str, arguments: Sequence[str], output: Path) -> subprocess.Popen[bytes]:
    """Start ``python -m module`` with pipes to talk to it; its trace is whole once it has ended.

    Args:
        module: A module of the tests.
        arguments: Its arguments.
        output: The trace.
    """
    strace = ["strace", "-f", "--seccomp-bpf", "-qq", "-y", "-xx", "-s", str(_LONGEST_WRITE), "-e", "signal=none"]
    command = [*strace, "-e", f"trace={_CALLS}", "-o", str(output), sys.executable, "-m", module, *arguments]
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.Popen(command, cwd=root, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
