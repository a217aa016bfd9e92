#!/usr/bin/env python3
"""Writes tools/layout.ld anew: which functions the linker puts together in libvoip.so.

    make bench-programs && benches/layout.py build

The kernel maps code in pieces of 64 KiB around what is touched. Scattered over the library, the few hundred functions
that a phone runs make nearly all of it resident. Here the programs of the benchmark run under callgrind: a phone that
waits, one that registers, calls with media that go again, with a socket each and shared ones, few and a crowd (which
is more than this machine can do under callgrind: what is done when late belongs here too), refused calls and some as
caller. What they run comes first. What a waiting phone needs is spread evenly in it, so that the first call finds its code in memory.

Names that are gone match nothing, new functions are where they would be anyway: run it when much has changed."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
VALGRIND = ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--dump-before=voip_phone_stop"]
# When threads meet at a lock, which they don't do under callgrind: it runs one at a time.
MEETING = re.compile(r"::(lock|read|write)_contended$|::wake_writer_or_readers$")
HEAD = """/* Written by benches/layout.py, which says what it is for. */
SECTIONS
{
  .text : {
"""
TAIL = """    *(.text .text.*)
  }
}
INSERT AFTER .fini;
"""


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build").resolve()
    library, programs = build / "lib" / "libvoip.so", build / "bench"
    with tempfile.TemporaryDirectory() as folder:
        run(programs, folder, "idle", [], lambda address, pid: ["sleep", "1"])
        idle = functions(folder, "idle.1-*")
        ever = functions(folder, "idle*-*") | registered(programs, folder)
        far = lambda *words: lambda address, pid: [programs / "far", f"to={address}", f"pid={pid}", *words]
        media = far("calls=120", "rate=30", "settle=1", "window=4", "linger=36")
        ever |= run(programs, folder, "callee", ["calls=200"], media)
        ever |= run(programs, folder, "sharing", ["calls=200", "sockets=4"], media)
        crowd = far("calls=300", "rate=30", "settle=3", "window=4", "linger=36")
        ever |= run(programs, folder, "crowded", ["calls=400"], crowd)
        ever |= run(programs, folder, "crowded-sharing", ["calls=400", "sockets=4"], crowd)
        ever |= run(programs, folder, "refusing", ["audio=none", "refuse=486"], far("refused=1", "churn=50"))
        ever |= dialled(programs, folder)
    patterns = place(library, idle, ever)
    lines = "".join(f"    *(.text.{p} .text.unlikely.{p})\n" for p in patterns)
    (ROOT / "tools/layout.ld").write_text(HEAD + lines + TAIL)
    print(f"{len(ever)} functions, {len(patterns)} patterns")


def start(words, **options):
    return subprocess.Popen([str(w) for w in words], stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, **options)


def callgrind(programs, folder, name, words):
    return start([*VALGRIND, f"--callgrind-out-file={folder}/{name}", programs / "host", *words], stderr=subprocess.DEVNULL)


def run(programs, folder, name, words, load):
    """The functions of the library that a host runs while `load` does."""
    host = callgrind(programs, folder, name, words)
    _, pid, address = host.stdout.readline().split()
    subprocess.run([str(w) for w in load(address, pid)], timeout=120, stdout=subprocess.DEVNULL, check=True)
    host.communicate("quit\n", timeout=60)
    return functions(folder, f"{name}*-*")


def answering(programs, folder, name, words):
    with start([programs / "answer"]) as other:
        port = other.stdout.readline().split()[1]
        host = callgrind(programs, folder, name, [w.format(port) for w in words])
        host.communicate("quit\n", timeout=120)
        other.kill()
    return functions(folder, f"{name}*-*")


def registered(programs, folder):
    return answering(programs, folder, "registered", ["registrar=127.0.0.1:{}", "accounts=1", "audio=none"])


def dialled(programs, folder):
    return answering(programs, folder, "dialled", ["dial=127.0.0.1:{}", "churn=50", "across=10", "audio=none"])


def functions(folder, files):
    """Of the library, in what callgrind wrote; `idle.1-*` is up to the stop of the phone."""
    found = set()
    for path in pathlib.Path(folder).glob(files):
        objects, names, current = {}, {}, ""
        for line in path.open():
            if match := re.match(r"(c?)ob=\((\d+)\)(?: (.*))?", line):
                if match[3]:
                    objects[match[2]] = match[3]
                current = current if match[1] else objects[match[2]]
            elif match := re.match(r"(c?)fn=\((\d+)\)(?: (.*))?", line):
                if match[3]:
                    names[match[2]] = match[3]
                if not match[1] and "libvoip" in current:
                    found.add(re.sub(r"'\d+$", "", names[match[2]]))
    return found


def symbols(library):
    """Mangled name, name as callgrind writes it, size."""
    lines = subprocess.run(["nm", "-S", library], capture_output=True, text=True, check=True).stdout.splitlines()
    rows = [p for p in map(str.split, lines) if len(p) == 4 and p[2] in "tT"]
    plain = subprocess.run(["c++filt", "-i"], input="\n".join(r[3] for r in rows), capture_output=True, text=True, check=True)
    names = [re.sub(r"::h[0-9a-f]{16}$", "", n) for n in plain.stdout.splitlines()]
    return [(row[3], name, int(row[1], 16)) for row, name in zip(rows, names)]


def pattern(mangled):
    """Without what a compiler or a folder changes: hashes of functions and of crates, numbers of copies."""
    mangled = re.sub(r"\.(llvm\.)?\d+$", "", mangled)
    if match := re.match(r"(_ZN.*17h)[0-9a-f]{16}E$", mangled):
        return match[1] + "*"
    return re.sub(r"Cs[0-9a-zA-Z]+_", "Cs*_", mangled) + "*" if mangled.startswith("_R") else mangled


def place(library, idle, ever):
    """The patterns, what is idle's spread over all of them by size."""
    groups = [{}, {}]
    for mangled, name, size in symbols(library):
        if name in ever or MEETING.search(name):
            group = groups[name not in idle]
            group[pattern(mangled)] = group.get(pattern(mangled), 0) + size
    groups[1] = {p: s for p, s in groups[1].items() if p not in groups[0]}
    placed = []
    for group in groups:
        at, total = 0, sum(group.values())
        for name in sorted(group):
            placed.append((at / total, name))
            at += group[name]
    return [name for _, name in sorted(placed)]


if __name__ == "__main__":
    os.environ.setdefault("LC_ALL", "C")
    main()
