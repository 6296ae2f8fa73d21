"""Raw elements of MRT update files, read through bgpdump.

Shared by the truth scripts in this folder and by nothing else: the detector
has its own reader, and a truth that borrowed it would repeat its mistakes.

bgpdump prints an IPv4 multicast route (AFI 1, SAFI 2) exactly like a unicast
one, so the records that carry one are taken out before bgpdump sees the file.
"""

import bz2
import calendar
import gzip
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time

# An MP_REACH_NLRI (14) or MP_UNREACH_NLRI (15) attribute, one- or two-octet
# length (RFC 4271 section 4.3), whose value opens with AFI 1, SAFI 2 (RFC 4760
# sections 3 and 4). A hit is only a candidate: the bytes may occur by chance.
_MULTICAST = re.compile(rb"[\x80\xc0\xa0\xe0][\x0e\x0f].\x00\x01\x02"
                        rb"|[\x90\xd0\xb0\xf0][\x0e\x0f]..\x00\x01\x02", re.S)
_LENGTH = struct.Struct(">I")


def update_files(folder, start=None, end=None):
    """Paths of the update files of folder in order of time.

    start and end (epoch seconds) leave out files that hold nothing between
    them. A file's name gives its first moment, and it ends where the next
    one begins; an extra file either side covers clocks that disagree.
    """
    if not os.path.isdir(folder):
        sys.exit(f"{folder} is not a folder of update files")
    found = []
    for name in os.listdir(folder):
        m = re.search(r"(\d{8})\.(\d{4})", name)
        if m:
            at = calendar.timegm(time.strptime(m[1] + m[2], "%Y%m%d%H%M"))
            found.append((at, os.path.join(folder, name)))
    found.sort()
    if not found:
        sys.exit(f"no update files (name.YYYYMMDD.HHMM.*) in {folder}")
    first, last = 0, len(found)
    if start is not None:
        first = max(0, sum(at <= start for at, _ in found) - 2)
    if end is not None:
        last = min(len(found), sum(at <= end for at, _ in found) + 1)
    return [path for _, path in found[first:last]]


def unpack(path):
    """The bytes of a file, decompressed by its magic number, not its name."""
    with open(path, "rb") as f:
        magic = f.read(3)
    opener = open
    if magic == b"BZh":
        opener = bz2.open
    elif magic[:2] == b"\x1f\x8b":
        opener = gzip.open
    with opener(path, "rb") as f:
        return f.read()


def _bgp_update(record):
    """The BGP UPDATE inside one MRT record, or None for anything else."""
    kind, subtype = struct.unpack_from(">HH", record, 4)
    at = 12
    if kind == 17:  # BGP4MP_ET: microseconds before the message, RFC 6396 3
        at += 4
    elif kind != 16:
        return None
    if subtype not in (1, 4, 6, 7):  # a message with 2- or 4-byte AS, RFC 6396 4.4
        return None
    at += 4 if subtype in (1, 6) else 8
    if len(record) < at + 4:
        return None
    afi = struct.unpack_from(">H", record, at + 2)[0]
    at += 4 + (8 if afi == 1 else 32)
    if len(record) < at + 19 or record[at + 18] != 2:
        return None
    return record[at:]


def only_multicast(record):
    """Whether a record's routes are IPv4 multicast and nothing else.

    A record that carries a unicast route as well stays: losing a real route
    is worse than keeping a doubtful one.
    """
    message = _bgp_update(record)
    if message is None or len(message) < 23:
        return False
    withdrawn = struct.unpack_from(">H", message, 19)[0]
    if withdrawn or len(message) < 23 + withdrawn:
        return False
    length = struct.unpack_from(">H", message, 21)[0]
    at, stop = 23, 23 + length
    if len(message) != stop:
        return False
    found = False
    while at + 3 <= stop:
        wide = message[at] & 0x10
        code = message[at + 1]
        if wide:
            if at + 4 > stop:
                return False
            size = struct.unpack_from(">H", message, at + 2)[0]
        else:
            size = message[at + 2]
        value = at + (4 if wide else 3)
        if code in (14, 15):
            if message[value:value + 3] != b"\x00\x01\x02":
                return False
            found = True
        at = value + size
    return found and at == stop


def without_multicast(data):
    """data without its multicast-only records, and how many were taken out."""
    hits = [m.start() for m in _MULTICAST.finditer(data)]
    if not hits:
        return data, 0
    kept, taken, at, start, h = [], 0, 0, 0, 0
    end = len(data)
    while at + 12 <= end and h < len(hits):
        after = at + 12 + _LENGTH.unpack_from(data, at + 8)[0]
        if hits[h] < after:
            if only_multicast(data[at:after]):
                kept.append(data[start:at])
                start = after
                taken += 1
            while h < len(hits) and hits[h] < after:
                h += 1
        at = after
    kept.append(data[start:])
    return b"".join(kept), taken


class Reader:
    """Reads update files through bgpdump, one decompressed file at a time."""

    def __init__(self, paths, progress=True):
        self.paths = paths
        self.progress = progress
        self.multicast = 0  # records left out
        self.lines = 0      # lines bgpdump printed
        if not shutil.which("bgpdump"):
            sys.exit("bgpdump is not installed (Debian: apt-get install bgpdump)")

    def fields(self):
        """Every announce and withdraw line of bgpdump -m as byte fields:
        [_, time, b"A" or b"W", peer address, peer AS, prefix, path, ...]."""
        with tempfile.TemporaryDirectory(prefix="truth-") as folder:
            plain = os.path.join(folder, "updates")
            for n, path in enumerate(self.paths, 1):
                data, taken = without_multicast(unpack(path))
                self.multicast += taken
                with open(plain, "wb") as f:
                    f.write(data)
                with subprocess.Popen(["bgpdump", "-q", "-m", plain],
                                      stdout=subprocess.PIPE,
                                      stderr=subprocess.DEVNULL,
                                      bufsize=1 << 20) as dump:
                    for line in dump.stdout:
                        self.lines += 1
                        f = line.split(b"|", 7)
                        if len(f) > 5 and f[2] in (b"A", b"W"):
                            f[5] = f[5].rstrip(b"\n")
                            yield f
                if dump.returncode:
                    sys.exit(f"bgpdump ended with {dump.returncode} on {path}")
                if self.progress and (n % 10 == 0 or n == len(self.paths)):
                    print(f"{n}/{len(self.paths)} files, {self.lines} lines, "
                          f"{self.multicast} multicast records left out",
                          file=sys.stderr, flush=True)


def origin(path):
    """Origin AS of a path field of bgpdump -m; 0 for none, -1 for an AS_SET."""
    last = path.rsplit(b" ", 1)[-1]
    if last.isdigit():
        return int(last)
    return -1 if last else 0
