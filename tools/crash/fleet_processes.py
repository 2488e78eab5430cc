"""Processes by /proc: who belongs to whom, and killing exactly the one that was meant."""
import glob
import os
import signal


def stat_of(pid):
    """(state, parent), or nothing where there is no such process."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            fields = file.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return fields[0], int(fields[1])


def parent_of(pid):
    stat = stat_of(pid)
    return stat[1] if stat and stat[0] not in "ZX" else None


def name_of(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def children_of(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []


def kill(pid, parent):
    """KILL to `pid` if it still is the child of `parent`; whether it was sent."""
    try:
        handle = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if parent_of(pid) != parent:
            return False
        signal.pidfd_send_signal(handle, signal.SIGKILL)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def marked(mark):
    """Living processes that have `mark` among their words or in their environment: [(pid, words), …]."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(path[6:])
        try:
            with open(path + "/cmdline", "rb") as file:
                words = file.read()
            with open(path + "/environ", "rb") as file:
                environment = file.read()
        except OSError:
            continue
        if pid != os.getpid() and mark.encode() in words + environment and parent_of(pid) is not None:
            found.append((pid, words.replace(b"\0", b" ").decode(errors="replace").strip()))
    return found
