"""Which country a prefix belongs to, by address block and by origin AS."""

import bisect
import gzip
import ipaddress
import json
import os
import sys
import tarfile


def reference(folder, start, end):
    """The one file of a folder (or of folders below it) named start...end."""
    for root, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            if name.startswith(start) and name.endswith(end):
                return os.path.join(root, name)
    sys.exit(f"no {start}*{end} below {folder}")


class Blocks:
    """Address blocks by country: ipverse's lists of the RIR files (IPv4)."""

    def __init__(self, archive):
        found = []
        with tarfile.open(archive) as tar:
            for member in tar:
                part = member.name.split("/")
                if part[-1] != "ipv4-aggregated.txt":
                    continue
                for line in tar.extractfile(member).read().decode().split("\n"):
                    line = line.strip()
                    if line and line[0] != "#":
                        net = ipaddress.ip_network(line)
                        first = int(net.network_address)
                        found.append((first, first + net.num_addresses - 1,
                                      part[-2].upper()))
        found.sort()
        self.found = found
        self.first = [b[0] for b in found]

    def country(self, prefix):
        """Country of the block that holds the prefix's first address, or None."""
        a, b, c, d = prefix.split("/")[0].split(".")
        address = int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)
        i = bisect.bisect_right(self.first, address) - 1
        if i >= 0 and self.found[i][1] >= address:
            return self.found[i][2]
        return None


def as_countries(path):
    """AS number -> country of its organisation, from CAIDA as2org JSON lines."""
    home, holder = {}, {}
    with gzip.open(path, "rt", encoding="utf-8") as f:
        for line in f:
            row = json.loads(line)
            if row["type"] == "Organization":
                home[row["organizationId"]] = row.get("country")
            else:
                holder[int(row["asn"])] = row.get("organizationId")
    return {asn: home[org] for asn, org in holder.items() if home.get(org)}
