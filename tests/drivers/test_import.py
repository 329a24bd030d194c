from __future__ import annotations

import subprocess
import sys

BLOCKED = ("fcntl", "pytun", "pyroute2", "termios", "pwd", "grp")

PROGRAM = f"""
import sys
for name in {BLOCKED}:
    sys.modules[name] = None
import socket
for name in [name for name in vars(socket) if "PACKET" in name]:
    delattr(socket, name)
import os
del os.writev
import sansio_net.drivers
print(len(sansio_net.drivers.__all__))
"""


def test_imports_without_extras_and_without_what_only_linux_has() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 5
