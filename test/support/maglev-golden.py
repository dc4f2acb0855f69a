"""Writes shared/balance/maglev.golden.json: Maglev tables made by an implementation of its own, straight from pseudocode 1 of
the paper (Eisenbud et al., NSDI 2016), with lists of whole permutations and none of the shortcuts of maglev.ts.

Run: python3 test/support/maglev-golden.py > shared/balance/maglev.golden.json
"""

import datetime
import hashlib
import json
import platform

SKIP_SEED = 0x6D61676C


def hash32(text, seed=0):
    """FNV-1a over UTF-16 code units (the ids are ASCII), then the finaliser of MurmurHash3."""
    value = 0x811C9DC5 ^ seed
    for char in text:
        value = ((value ^ ord(char)) * 0x01000193) % 2**32
    value ^= value >> 16
    value = (value * 0x85EBCA6B) % 2**32
    value ^= value >> 13
    value = (value * 0xC2B2AE35) % 2**32
    return value ^ (value >> 16)


def populate(names, size):
    offsets = [hash32(name) % size for name in names]
    skips = [hash32(name, SKIP_SEED) % (size - 1) + 1 for name in names]
    permutations = [[(offset + j * skip) % size for j in range(size)] for offset, skip in zip(offsets, skips)]
    following = [0] * len(names)
    entry = [-1] * size
    filled = 0
    while True:
        for i in range(len(names)):
            slot = permutations[i][following[i]]
            while entry[slot] >= 0:
                following[i] += 1
                slot = permutations[i][following[i]]
            entry[slot] = i
            following[i] += 1
            filled += 1
            if filled == size:
                return offsets, skips, entry


def case(names, size):
    offsets, skips, entry = populate(names, size)
    return {
        "size": size,
        "ids": names,
        "offsets": offsets,
        "skips": skips,
        "firstSlots": entry[:50],
        "sha256": hashlib.sha256(",".join(map(str, entry)).encode()).hexdigest(),
    }


pools = [[f"127.11.1.{10 + i}:9000" for i in range(count)] for count in (3, 12)]
generator = f"test/support/maglev-golden.py, Python {platform.python_version()}, {datetime.date.today()}"
print(json.dumps({"generator": generator, "cases": [case(names, size) for names in pools for size in (13, 65537)]}))
