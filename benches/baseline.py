"""The accepted counts in benches/baseline.json, and with what they were made.

Absent: counting. What other code than ours has a part in is in `compiler` for bytes on the heap,
and in `machine`, too, for instructions: where that differs from the baseline's, more is tolerated.
"""

import json
import os
import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "benches" / "baseline.json"

# Percent by which a count may grow where the baseline is of another compiler or machine.
TOLERATED_ELSEWHERE = 12

# By these the C library chooses its loops for copying and comparing.
FLAGS = {"avx2", "avx512f", "avx512vl", "avx512bw", "bmi2", "erms", "fsrm", "movbe", "rtm", "asimd"}


def read():
    """What is accepted."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def write(baseline):
    """Accepts it."""
    FILE.write_text(json.dumps(baseline, indent=1) + "\n")
    print(f"accepted into {FILE.relative_to(ROOT)}")


def compiler():
    """The compiler that builds what is counted."""
    lines = subprocess.run(["rustc", "-vV"], check=True, stdout=subprocess.PIPE, text=True).stdout
    fields = dict(line.split(": ", 1) for line in lines.splitlines() if ": " in line)
    return f"rustc {fields['release']} {fields['host']}"


def machine():
    """The C library, and what it sees of the processor."""
    try:
        library = os.confstr("CS_GNU_LIBC_VERSION")
    except (ValueError, OSError):
        library = None
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    line = re.search(r"^(?:flags|Features)\s*: (.*)$", text, flags=re.M)
    flags = sorted(FLAGS & set(line[1].split())) if line else []
    return f"{library or 'another C library'}, {' '.join(flags) or 'a processor unknown'}"


def tolerated(made_with, now, usual):
    """Percent by which a count may grow; says so where it is more than usual."""
    if made_with in (None, now):
        return usual
    print(f"the baseline is of {made_with}, this is {now}: {TOLERATED_ELSEWHERE} % are tolerated")
    return TOLERATED_ELSEWHERE


def disappeared(before, figures):
    """Names that the baseline has and nobody has counted."""
    return [name for name in before if name not in figures]
