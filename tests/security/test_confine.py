"""The second wall: what a confined process cannot do, tried in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ATTEMPTS = {
    "socket": "import socket; socket.socket().connect(('127.0.0.1', 9))",
    "name_lookup": "import socket; socket.getaddrinfo('localhost', 80)",
    "system": "os.system('true')",
    "popen": "import subprocess; subprocess.Popen(['true'])",
    "fork": "os.fork()",
    "exec": "os.execv('/bin/true', ['true'])",
    "spawn": "os.posix_spawn('/bin/true', ['true'], {})",
    "write_elsewhere": "open(elsewhere, 'w')",
    "append_elsewhere": "open(elsewhere, 'ab')",
    "os_open_elsewhere": "os.open(elsewhere, os.O_CREAT | os.O_WRONLY)",
    "climb_out": "open(os.path.join(folder, '..', 'elsewhere'), 'w')",
    "remove": "os.remove(inside)",
    "rename": "os.rename(inside, elsewhere)",
    "link": "os.symlink(inside, elsewhere)",
    "pickle": "import pickle; pickle.loads(pickle.dumps(os.getcwd))",
    "huge_memory": "bytearray(4 << 30)",
    "huge_file": "open(inside, 'wb').write(bytes(32 << 20))",
}
ALLOWED = {
    "write_inside": "open(inside, 'w').write('x')",
    "read": "open(__file__).read()",
    "memory": "bytearray(8 << 20)",
    "devnull": "open(os.devnull, 'w')",
}

SCRIPT = """
import json, os, sys
from pathlib import Path
from desktop_app.engine.weights.confine import Forbidden, forbid, limit_file_size, limit_memory
folder, elsewhere = sys.argv[1], sys.argv[2]
inside = os.path.join(folder, "inside")
open(inside, "w").close()
limit_memory(256 << 20)
limit_file_size(16 << 20)
forbid(Path(folder))
answers = {}
for name, code in json.loads(sys.stdin.read()).items():
    try:
        exec(code)
        answers[name] = "done"
    except Forbidden:
        answers[name] = "forbidden"
    except MemoryError:
        answers[name] = "memory"
    except OSError as error:
        answers[name] = "os:" + str(error.errno)
print(json.dumps(answers))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the attempts are those of a POSIX system")
def test_what_a_confined_process_can_and_cannot_do(tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "work", tmp_path / "elsewhere"
    folder.mkdir()
    script = tmp_path / "script.py"
    script.write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, str(script), str(folder), str(elsewhere)],
        input=json.dumps({**ATTEMPTS, **ALLOWED}),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"},
    )
    answers = json.loads(done.stdout)
    expected = dict.fromkeys(ATTEMPTS, "forbidden") | dict.fromkeys(ALLOWED, "done")
    expected["huge_file"] = "os:27"  # EFBIG
    if sys.platform == "linux":
        expected["huge_memory"] = "memory"
    else:
        del expected["huge_memory"], answers["huge_memory"]
    assert answers == expected
    assert not elsewhere.exists()


def test_peak_memory_is_known() -> None:
    from desktop_app.engine.weights.confine import peak_bytes

    assert peak_bytes() > 1 << 20


@pytest.mark.skipif(sys.platform == "win32", reason="ends a process by hand")
def test_the_watch_ends_a_process_where_there_is_no_limit(tmp_path: Path) -> None:
    """The way of Windows and macOS, tried here."""
    from desktop_app.engine.weights.confine import OUT_OF_MEMORY_EXIT

    code = (
        "import sys, time\n"
        "import desktop_app.engine.weights.confine as c\n"
        "peak, platform = c.peak_bytes, sys.platform\n"
        "def peak_bytes():\n"
        "    sys.platform = platform\n"
        "    try:\n"
        "        return peak()\n"
        "    finally:\n"
        "        sys.platform = 'other'\n"
        "c.peak_bytes = peak_bytes\n"
        "sys.platform = 'other'\n"
        "c.limit_memory(64 << 20)\n"
        "data = b'x' * (256 << 20)\n"
        "time.sleep(20)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
        env={"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == OUT_OF_MEMORY_EXIT
