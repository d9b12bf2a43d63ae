"""How long does the search for near duplicates take? Bands of bits beside comparing all pairs.

    python tests/benchmarks/benchmark_duplicates.py

The peer compares every query hash with every index hash, as an array operation, in blocks. Both get
the same random hashes, in which near duplicates are planted. Exits with 1 if the pairs differ, or
if ours is not `--speedup` times as fast.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

from radcbir.audit.near_duplicates import near_pairs

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "workflow"))


arguments = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
arguments.add_argument("--index", type=int, default=100_000, help="index images (default 100,000)")
arguments.add_argument("--queries", type=int, default=10_000, help="query images (default 10,000)")
arguments.add_argument("--distance", type=int, default=4, help="bits that may differ (default 4)")
arguments.add_argument(
    "--speedup", type=float, default=5.0, help="what ours has to reach (default 5)"
)
options = arguments.parse_args()

random = np.random.default_rng(0)
index = random.integers(0, 2**64, options.index, dtype=np.uint64)
queries = random.integers(0, 2**64, options.queries, dtype=np.uint64)
planted = options.queries // 10
queries[:planted] = index[:planted]
for _ in range(options.distance):
    queries[:planted] ^= np.uint64(1) << random.integers(0, 64, planted, dtype=np.uint64)

start = time.perf_counter()
ours = near_pairs(queries, index, options.distance)
our_time = time.perf_counter() - start

start = time.perf_counter()
found = []
for place in range(0, len(queries), 64):
    near = np.bitwise_count(queries[place : place + 64, None] ^ index) <= options.distance
    rows, columns = np.nonzero(near)
    found.append((rows + place) * len(index) + columns)
peer = np.concatenate(found)
peer_time = time.perf_counter() - start

same = np.array_equal(ours[0] * len(index) + ours[1], peer)
ratio = peer_time / our_time
print(
    f"{options.queries:,} x {options.index:,} hashes, {len(peer):,} pairs within {options.distance} bits"
)
print(f"bands {our_time:.2f} s, all pairs {peer_time:.2f} s: {ratio:.0f} times as fast; the pairs are {'the same' if same else 'DIFFERENT'}")  # fmt: skip
sys.exit(not same or ratio < options.speedup)
