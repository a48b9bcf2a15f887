"""The seccomp filters that systemd makes of a unit's settings, made without systemd.

    filters = filters_of(pathlib.Path("objmapper.service").read_text())
    subprocess.run(command, preexec_fn=filters.load)   # the command runs under them

A process without rights may load them once it has given up gaining any (PR_SET_NO_NEW_PRIVS, which
load() does), so a test can do so where no systemd runs. What is in a set (@system-service) is asked
of systemd-analyze.
Source: systemd 252, src/shared/seccomp-util.c, whose functions the ones below are named for;
seccomp(2); libseccomp's manual pages.
"""

import ctypes
import errno
import functools
import os
import signal
import socket
import subprocess

ALLOW = 0x7FFF0000
CLONE_NEW = (0x02000000, 0x00020000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000,
             0x00000080)
EQUAL, MASKED_EQUAL, GREATER, NOT_EQUAL = 4, 7, 6, 1
PROT_WRITE, PROT_EXEC, SHM_EXEC = 2, 4, 0o100000
S_ISUID, S_ISGID, O_CREAT = 0o4000, 0o2000, 0o100
PR_SET_NO_NEW_PRIVS = 38

# Settings that make no filter: what they do, a test without systemd does not see.
WITHOUT_FILTER = {
    "Type", "Environment", "EnvironmentFile", "ExecStart", "ExecReload", "Restart",
    "RestartPreventExitStatus", "WatchdogSec",
    "TimeoutStopSec", "User", "Group", "RuntimeDirectory", "RuntimeDirectoryPreserve",
    "LimitNOFILE", "ProtectSystem",
    "ReadOnlyPaths", "ReadWritePaths", "ProtectHome", "PrivateTmp", "PrivateMounts",
    "PrivateNetwork", "PrivateIPC", "ProtectProc",
    "ProcSubset", "ProtectControlGroups", "RemoveIPC", "NoNewPrivileges", "CapabilityBoundingSet",
    "AmbientCapabilities",
    "KeyringMode", "UMask", "DevicePolicy", "IPAddressDeny", "IPAddressAllow",
    "SystemCallArchitectures", "SystemCallErrorNumber",
}


class Comparison(ctypes.Structure):  # struct scmp_arg_cmp
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64),
                ("b", ctypes.c_uint64)]


@functools.cache
def library():
    lib = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    lib.seccomp_init.restype = ctypes.c_void_p
    lib.seccomp_init.argtypes = [ctypes.c_uint32]
    lib.seccomp_syscall_resolve_name.argtypes = [ctypes.c_char_p]
    lib.seccomp_rule_add_array.argtypes = [ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int,
                                           ctypes.c_uint,
                                           ctypes.POINTER(Comparison)]
    lib.seccomp_load.argtypes = [ctypes.c_void_p]
    lib.seccomp_export_bpf.argtypes = [ctypes.c_void_p, ctypes.c_int]
    return lib


def refuse(error):
    """error: an errno; None: the process is killed, as systemd does where no SystemCallErrorNumber=
    says otherwise.
    """
    # SCMP_ACT_KILL_PROCESS, SCMP_ACT_ERRNO
    return 0x80000000 if error is None else 0x00050000 | error


class Filter:
    """One filter. As in systemd, what one of several refuses is refused."""

    def __init__(self, default=ALLOW):
        self.context = library().seccomp_init(default)
        assert self.context, "seccomp_init"

    def add(self, action, call, *comparisons):
        number = library().seccomp_syscall_resolve_name(call.encode())
        if number == -1:
            # libseccomp does not know it: then the kernel's number cannot be refused by name either
            return
        array = (Comparison * max(1, len(comparisons)))(*comparisons)
        done = library().seccomp_rule_add_array(self.context, action, number, len(comparisons),
                                                array)
        # Calls that this architecture does not have, and what one filter says twice.
        assert done in (0, -errno.EDOM, -errno.EEXIST, -errno.EACCES), (call, done)

    def load(self):
        done = library().seccomp_load(self.context)
        if done != 0:
            os.write(2, f"seccomp_load: {done}\n".encode())
            os._exit(125)


class Filters:
    def __init__(self, made):
        self.made = made

    def load(self):
        """In the child between fork and exec."""
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
            os._exit(125)
        for made in self.made:
            made.load()


@functools.cache
def sets():
    """Names of calls by set, as this systemd has them."""
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager"], capture_output=True,
                          text=True, check=True).stdout
    found = {}
    for line in text.splitlines():
        if line.startswith("@"):
            calls = found.setdefault(line.strip(), [])
        elif line.startswith("    ") and not line.strip().startswith("#"):
            calls.append(line.strip())
    return found


def calls_of(words):
    calls = set()
    for word in words:
        calls |= calls_of(sets()[word]) if word.startswith("@") else {word.split(":")[0]}
    return calls


def system_call_filter(lines, error):
    """SystemCallFilter=, all lines of it. What is refused has the error that is asked for, and what
    systemd does not know is ENOSYS.
    """
    first = lines[0]
    if first.startswith("~"):
        made = Filter()
        for call in calls_of(word for line in lines for word in line.lstrip("~").split()):
            made.add(refuse(error), call)
        return made
    allowed = calls_of(["@default"])
    for line in lines:
        calls = calls_of(line.lstrip("~").split())
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    made = Filter(refuse(errno.ENOSYS))
    for call in allowed:
        made.add(ALLOW, call)
    for call in calls_of(["@known"]) - allowed:
        made.add(refuse(error), call)
    return made


def restrict_namespaces():
    made = Filter()
    made.add(refuse(errno.ENOSYS), "clone3")  # its flags are behind a pointer
    made.add(refuse(errno.EPERM), "setns")
    for flag in CLONE_NEW:
        made.add(refuse(errno.EPERM), "unshare", Comparison(0, MASKED_EQUAL, flag, flag))
        made.add(refuse(errno.EPERM), "clone", Comparison(0, MASKED_EQUAL, flag, flag))
    return made


def restrict_realtime():
    made = Filter()
    for policy in (1, 2, 6):  # FIFO, RR, DEADLINE
        made.add(refuse(errno.EPERM), "sched_setscheduler", Comparison(1, EQUAL, policy, 0))
    made.add(refuse(errno.EPERM), "sched_setscheduler", Comparison(1, GREATER, 5, 0))
    return made


def restrict_suid_sgid():
    made = Filter()
    for bit in (S_ISUID, S_ISGID):
        for call, mode in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("mkdir", 1),
                           ("mkdirat", 2), ("mknod", 1), ("mknodat", 2),
                           ("creat", 1)):
            made.add(refuse(errno.EPERM), call, Comparison(mode, MASKED_EQUAL, bit, bit))
        for call, flags in (("open", 1), ("openat", 2)):
            made.add(refuse(errno.EPERM), call, Comparison(flags, MASKED_EQUAL, O_CREAT, O_CREAT),
                     Comparison(flags + 1, MASKED_EQUAL, bit, bit))
    made.add(refuse(errno.ENOSYS), "openat2")  # its mode is behind a pointer
    return made


def memory_deny_write_execute():
    made = Filter()
    both = PROT_WRITE | PROT_EXEC
    made.add(refuse(errno.EPERM), "mmap", Comparison(2, MASKED_EQUAL, both, both))
    for call in ("mprotect", "pkey_mprotect"):
        made.add(refuse(errno.EPERM), call, Comparison(2, MASKED_EQUAL, PROT_EXEC, PROT_EXEC))
    made.add(refuse(errno.EPERM), "shmat", Comparison(2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))
    return made


def lock_personality():
    made = Filter()
    made.add(refuse(errno.EPERM), "personality", Comparison(0, NOT_EQUAL, 0, 0))
    return made


def restrict_address_families(names):
    """An allow list. libseccomp has no "none of these", so the families that Linux has are refused
    one by one.
    """
    allowed = {getattr(socket, name) for name in names.split()}
    made = Filter()
    for family in set(range(46)) - allowed:
        made.add(refuse(errno.EAFNOSUPPORT), "socket", Comparison(0, EQUAL, int(family), 0))
    made.add(refuse(errno.EAFNOSUPPORT), "socket", Comparison(0, GREATER, 45, 0))
    return made


def deny(*words):
    made = Filter()
    for call in calls_of(words):
        made.add(refuse(errno.EPERM), call)
    return made


SWITCHES = {
    "RestrictNamespaces": restrict_namespaces,
    "RestrictRealtime": restrict_realtime,
    "RestrictSUIDSGID": restrict_suid_sgid,
    "MemoryDenyWriteExecute": memory_deny_write_execute,
    "LockPersonality": lock_personality,
    "ProtectClock": lambda: deny("@clock"),
    "ProtectKernelTunables": lambda: deny("_sysctl"),
    "ProtectKernelModules": lambda: deny("@module"),
    "ProtectKernelLogs": lambda: deny("syslog"),
    "ProtectHostname": lambda: deny("sethostname", "setdomainname"),
    "PrivateDevices": lambda: deny("@raw-io"),
}


def settings_of(unit):
    """Pairs of the [Service] section, in order."""
    section, pairs = "", []
    for line in unit.splitlines():
        line = line.strip()
        if line.startswith("["):
            section = line
        elif section == "[Service]" and "=" in line and not line.startswith("#"):
            pairs.append(tuple(line.split("=", 1)))
    return pairs


def filters_of(unit):
    pairs = settings_of(unit)
    error = dict(pairs).get("SystemCallErrorNumber", "kill")
    made = []
    lines = [value for name, value in pairs if name == "SystemCallFilter"]
    if lines:
        made.append(system_call_filter(lines, None if error == "kill" else getattr(errno, error)))
    for name, value in dict(pairs).items():
        if name in SWITCHES:
            if value == "yes":
                made.append(SWITCHES[name]())
        elif name == "RestrictAddressFamilies":
            made.append(restrict_address_families(value))
        elif name != "SystemCallFilter" and name not in WITHOUT_FILTER:
            raise ValueError(
                f"{name}= may make a filter, or not: say which in {os.path.basename(__file__)}")
    # The last ones are loaded first: a list of what is allowed may refuse to load more.
    return Filters(made[::-1])
