"""What a host may not do to the judge, and what it may do like any other process."""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from convverify.host import limits

HERE = f"import sys; sys.path.insert(0, {str(Path(limits.__file__).parent)!r}); import limits"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has these means")
filtered = pytest.mark.skipif(
    sys.platform != "linux" or os.uname().machine not in limits._CALLS, reason="a filter for this architecture is not written"
)

# A process that is restricted as a host is, with a process of its own beside it, and tries some things.
RESTRICTED = """
{here}
import ctypes, fcntl, json, os, signal, socket, subprocess

judge = int(sys.argv[1])
parent = limits.parents_of(judge)[0]
pair = socket.socketpair()
limits.restrict(judge)
child = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
libc = ctypes.CDLL(None, use_errno=True)


def of(call):
    try:
        call()
    except OSError as error:
        return error.errno
    return 0


def system(name, *arguments):
    if getattr(libc, name)(*(ctypes.c_long(value) for value in arguments)) == -1:
        raise OSError(ctypes.get_errno(), name)


try:
    print(json.dumps({{name: of(call) for name, call in {{ {calls} }}.items()}}))
finally:
    child.kill()
"""


def outcomes(**calls: str) -> dict[str, int]:
    """Return the error numbers that calls end with in a restricted process; 0 where they are done."""
    code = RESTRICTED.format(here=HERE, calls=", ".join(f"{name!r}: lambda: {call}" for name, call in calls.items()))
    done = subprocess.run(
        [sys.executable, "-S", "-c", code, str(os.getpid())], capture_output=True, text=True, check=True, start_new_session=True
    )
    found: dict[str, int] = json.loads(done.stdout)
    return found


EPERM = 1


@filtered
def test_no_signal_reaches_the_judge_its_group_or_everybody() -> None:
    found = outcomes(
        judge="os.kill(judge, 0)", group="os.killpg(os.getpgid(judge), 0)", everybody="os.kill(-1, 0)",
        thread="system('tgkill', judge, judge, 0)", descriptor="os.pidfd_open(judge)", queued="system('sigqueue', judge, 0, 0)",
        parent="os.kill(parent, 0)", parents_group="os.killpg(parent, 0)", file="signal.pidfd_send_signal(os.open(f'/proc/{judge}', 0), 0)",
    )  # fmt: skip
    assert set(found.values()) == {EPERM}, found


@filtered
def test_no_descriptor_signals_the_judge_and_nothing_is_typed_for_the_user() -> None:
    found = outcomes(
        owner="fcntl.fcntl(pair[0], fcntl.F_SETOWN, judge)", kind="fcntl.fcntl(pair[0], 15, bytes(8))",
        ioctl="fcntl.ioctl(pair[0], 0x8901, judge)", group="fcntl.ioctl(pair[0], 0x8902, judge)", typed="fcntl.ioctl(0, 0x5412, b'x')",
    )  # fmt: skip
    assert set(found.values()) == {EPERM}, found


@filtered
def test_programs_of_another_architecture_may_not_call_the_system() -> None:
    assert limits._instructions(os.getpid())[:24] == struct.pack(
        "=HBBIHBBIHBBI", 0x20, 0, 0, 4, 0x15, 1, 0, limits._CALLS[os.uname().machine].architecture, 0x06, 0, 0, 0x00050001
    )


@filtered
def test_nothing_can_be_traced() -> None:
    found = outcomes(
        attach="system('ptrace', 16, judge, 0, 0)", child="system('ptrace', 16, child.pid, 0, 0)", itself="system('ptrace', 0, 0, 0, 0)",
        peek="system('ptrace', 1, judge, 0, 0)", read="system('process_vm_readv', judge, 0, 0, 0, 0, 0)",
        write="system('process_vm_writev', child.pid, 0, 0, 0, 0, 0)",
    )  # fmt: skip
    assert set(found.values()) == {EPERM}, found


def test_ordinary_calls_are_let_through() -> None:
    found = outcomes(
        itself="os.kill(os.getpid(), 0)", child="os.kill(child.pid, 0)", own_group="os.killpg(0, 0)", wakes="os.kill(child.pid, 18)",
        file="os.close(os.open('/dev/null', os.O_RDWR))", process="subprocess.run(['true'], check=True)", pipe="os.pipe()",
        fork="os.waitpid(os.fork() or os._exit(0), 0)", memory="ctypes.create_string_buffer(1 << 20)", clock="system('sched_yield')",
        descriptor="os.pidfd_open(child.pid)", directory="os.listdir('.')", flags="fcntl.fcntl(pair[0], fcntl.F_GETFL)",
        size="fcntl.ioctl(pair[0], 0x5421, bytes(4))",
    )  # fmt: skip
    assert set(found.values()) == {0}, found


def test_privileges_are_given_up_for_good(tmp_path: Path) -> None:
    code = HERE + "; limits.restrict(1)"
    code += "; print(open('/proc/self/status').read())"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True)
    said = dict(line.split(":\t", 1) for line in done.stdout.splitlines() if ":\t" in line)
    assert said["NoNewPrivs"] == "1"
    assert not int(said["CapEff"], 16) >> limits._CAP_SYS_PTRACE & 1
    assert not int(said["CapPrm"], 16) >> limits._CAP_SYS_PTRACE & 1


def test_a_judge_does_not_restrict_itself_from_itself() -> None:
    code = HERE + "; import os; limits.restrict(os.getpid()); os.kill(os.getpid(), 0)"
    assert subprocess.run([sys.executable, "-S", "-c", code], check=False).returncode == 0


def dumpable() -> int:
    """Whether processes of the same user may read this one."""
    get_dumpable = 3
    return int(ctypes.CDLL(None).prctl(get_dumpable, 0, 0, 0, 0))


def test_the_judge_cannot_be_read_while_a_kernel_runs_and_can_be_afterwards() -> None:
    before = dumpable()
    with limits.unreadable():
        assert dumpable() == 0
        with limits.unreadable():
            pass
        assert dumpable() == 0
    assert dumpable() == before


@pytest.mark.parametrize(("then", "lives"), [("", False), ("; limits.outlive_parent()", True)])
def test_a_process_ends_with_its_parent_until_it_takes_that_back(then: str, lives: bool) -> None:
    code = HERE + "; import os, time\npid = os.fork()\n"
    code += f"if not pid:\n    limits.die_with_parent(os.getppid()){then}\n    print(os.getpid(), flush=True)\ntime.sleep(1000)"
    parent = subprocess.Popen([sys.executable, "-S", "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs([child], timeout=0.5 if lives else 60.0)
    child.kill() if alive else None
    parent.communicate()
    assert bool(alive) == lives


def test_a_process_whose_parent_is_gone_already_ends_at_once() -> None:
    code = HERE + "; import os\nlimits.die_with_parent(os.getpid())\nprint('alive')"
    assert subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, check=True).stdout == b""


def test_descendants_are_ended_however_far_they_have_gone() -> None:
    code = f"""
{HERE}; import os, subprocess
limits.adopt_orphans()
script = "import subprocess; print(subprocess.Popen(['sleep', '1000'], start_new_session=True, stdout=-3, stderr=-3).pid)"
orphan = subprocess.run([sys.executable, "-S", "-c", script], capture_output=True, text=True, check=True).stdout.strip()
child = subprocess.Popen(["sleep", "1000"])
assert os.path.exists("/proc/" + orphan)
limits.kill_descendants()
print([os.path.exists(f"/proc/{{pid}}") for pid in (orphan, child.pid)])
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[False, False]\n"


def test_where_the_system_has_none_of_it_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []
    monkeypatch.setattr(limits.sys, "platform", "darwin")
    monkeypatch.setattr(limits.ctypes, "CDLL", lambda *arguments, **options: calls.append(arguments))
    limits.die_with_parent(1)
    limits.adopt_orphans()
    with limits.unreadable():
        pass
    assert calls == []
