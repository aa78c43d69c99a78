"""How a process locks itself in, step by step; it runs in the child, without this package.

What Linux offers is used as far as the kernel grants it: namespaces (an empty world of processes,
mounts and networks), an empty root folder, Landlock (no file outside of it), no capabilities, and
a seccomp filter (no new processes, threads, sockets, signals or mounts). Elsewhere there are
limits only. Every step either takes effect or raises OSError.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys


# From the kernel's headers; they never change.
_NEWNS, _NEWUTS, _NEWIPC, _NEWUSER, _NEWPID, _NEWNET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
_MS_NOSUID, _MS_NODEV, _MS_NOEXEC, _MS_REC, _MS_PRIVATE = 0x2, 0x4, 0x8, 0x4000, 0x40000
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = (
    1,
    4,
    22,
    24,
    38,
)
_CAPABILITY_VERSION_3 = 0x20080522
_SYS_LANDLOCK_CREATE, _SYS_LANDLOCK_ADD, _SYS_LANDLOCK_RESTRICT = 444, 445, 446
_SIGKILL, _EPERM = 9, 1

# What the filter forbids: processes, threads, programs, signals, other processes' memory, sockets,
# mounts and namespaces, keys, modules, rings of requests, shared memory.
_FORBIDDEN = {
    "x86_64": (
        0xC000003E,
        (
            (56, 57, 58, 59, 322, 435),  # clone, fork, vfork, execve, execveat, clone3
            (62, 129, 200, 234, 297, 424),  # kill, rt_sigqueueinfo, tkill, tgkill, ..., pidfd
            (101, 310, 311, 434, 438, 440),  # ptrace, process_vm_*, pidfd_*, process_madvise
            (41, 42, 49, 50, 53, 288, 43),  # socket, connect, bind, listen, socketpair, accept
            (155, 161, 165, 166, 272, 308, 428, 429, 430, 432, 442),  # mounts, chroot, unshare
            (246, 248, 249, 250, 175, 176, 313, 320),  # kexec, keys, modules
            (298, 321, 323, 425, 426, 427, 303, 304),  # perf, bpf, userfaultfd, io_uring, handles
            (29, 30, 31, 64, 65, 68, 69, 70, 240, 319, 447),  # shared memory, ..., queues, memfd
            (112, 109, 157),  # setsid, setpgid, prctl: nobody leaves the group, or outlives it
        ),
    ),
    "aarch64": (
        0xC00000B7,
        (
            (220, 221, 281, 435),
            (129, 138, 130, 131, 240, 424),
            (117, 270, 271, 434, 438, 440),
            (198, 199, 200, 201, 202, 203, 242),
            (39, 40, 41, 51, 97, 268, 428, 429, 430, 432, 442),
            (104, 105, 106, 217, 218, 219, 273, 294),
            (241, 264, 265, 280, 282, 425, 426, 427),
            (180, 186, 188, 189, 190, 193, 194, 195, 196, 279, 447),
            (157, 154, 167),
        ),
    ),
}
_ALLOW, _KILL, _REFUSE = 0x7FFF0000, 0x80000000, 0x00050000 | _EPERM
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def enter_namespaces() -> None:
    """Leave the machine's users, network, mounts, processes and shared memory behind.

    The next child that is forked is the first process of the new world.
    """
    user, group = os.geteuid(), os.getegid()
    flags = _NEWUSER | _NEWNET | _NEWNS | _NEWPID | _NEWIPC | _NEWUTS
    _check(_libc().unshare(ctypes.c_int(flags)), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"0 {user} 1"),
        ("gid_map", f"0 {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)


def die_with_parent() -> None:
    """Be killed when the process that forked this one ends."""
    _check(_libc().prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl")


def empty_root(folder: str, size: int) -> None:
    """Make a folder, empty and in memory, all that there is of the file system.

    Args:
        folder: An existing folder; what it holds stays out of sight.
        size: Bytes that files there may take.
    """
    libc = _libc()
    private = ctypes.c_ulong(_MS_REC | _MS_PRIVATE)
    _check(libc.mount(b"none", b"/", None, private, None), "mount")
    flags = ctypes.c_ulong(_MS_NOSUID | _MS_NODEV | _MS_NOEXEC)
    options = f"size={size},nr_inodes=256,mode=700".encode()
    _check(libc.mount(b"none", os.fsencode(folder), b"tmpfs", flags, options), "mount tmpfs")
    os.chroot(folder)
    os.chdir("/")


def bound(memory: int, size: int) -> None:
    """Limit memory, files, processes and dumps of this process, never to be raised again.

    Args:
        memory: Bytes of address space beyond what is taken now.
        size: Bytes of a file.
    """
    import resource

    limits = {
        "RLIMIT_AS": _taken() + memory,
        "RLIMIT_FSIZE": size,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_NPROC": 1,
        "RLIMIT_CORE": 0,
    }
    for name, value in limits.items():
        if hasattr(resource, name):
            _, most = resource.getrlimit(getattr(resource, name))
            if most != resource.RLIM_INFINITY:
                value = min(value, most)
            try:
                resource.setrlimit(getattr(resource, name), (value, value))
            except (OSError, ValueError):
                if sys.platform == "linux":
                    raise  # macOS refuses some.
    if sys.platform == "linux":
        # A program that is told of crashes, outside, would write a dump whatever its limit.
        _check(_libc().prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl")


def _taken() -> int:
    """Return the bytes of address space that this process takes."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 1 << 30


def restrict_files(folder: str) -> None:
    """Allow nothing outside of a folder, and no connection, by Landlock."""
    libc = _libc()
    abi = libc.syscall(_SYS_LANDLOCK_CREATE, None, 0, 1)
    _check(abi, "landlock")
    files = (1 << (13 if abi < 2 else 14 if abi < 3 else 15 if abi < 5 else 16)) - 1
    network, scope = (3 if abi >= 4 else 0), (3 if abi >= 6 else 0)
    rules = struct.pack("=QQQ", files, network, scope)
    length = 24 if abi >= 6 else 16 if abi >= 4 else 8
    ruleset = _check(libc.syscall(_SYS_LANDLOCK_CREATE, rules, length, 0), "landlock")
    place = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    beneath = struct.pack("=Qi", files, place)
    _check(libc.syscall(_SYS_LANDLOCK_ADD, ruleset, 1, beneath, 0), "landlock")
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    _check(libc.syscall(_SYS_LANDLOCK_RESTRICT, ruleset, 0), "landlock")
    os.close(place)
    os.close(ruleset)


def drop_capabilities() -> None:
    """Give up every privilege, for good."""
    libc = _libc()
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) < 0:
            break  # The kernel knows no more of them, or there were none to drop.
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    _check(libc.capset(header, struct.pack("=6I", *[0] * 6)), "capset")
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def filter_calls() -> None:
    """Refuse the system calls of :data:`_FORBIDDEN`, by seccomp."""
    if platform.machine() not in _FORBIDDEN:
        raise OSError(f"no seccomp filter for {platform.machine()}")
    architecture, groups = _FORBIDDEN[platform.machine()]
    calls = [call for group in groups for call in group]

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("=HBBI", code, yes, no, value)

    program = [step(_LOAD, 4), step(_JUMP_EQUAL, architecture, 1, 0), step(_RETURN, _KILL)]
    # Numbers from here on are another convention for the same calls (x32).
    program += [step(_LOAD, 0), step(_JUMP_GREATER_EQUAL, 0x40000000, 0, 1)]
    program += [step(_RETURN, _KILL)]
    for call in calls:
        program += [step(_JUMP_EQUAL, call, 0, 1), step(_RETURN, _REFUSE)]
    program += [step(_RETURN, _ALLOW)]
    code = ctypes.create_string_buffer(b"".join(program))
    described = struct.pack("@HP", len(program), ctypes.addressof(code))
    libc = _libc()
    _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")
    _check(libc.prctl(_PR_SET_SECCOMP, 2, ctypes.c_char_p(described), 0, 0), "seccomp")
