"""Decodes a file of fixed-length packets with ccsdspy; prints packets and the CPU seconds of the best of N runs.

usage: ccsdspy_bulk.py LAYOUT.csv PACKETS RUNS
"""
import sys
import time
import warnings

import ccsdspy

warnings.simplefilter("ignore")
layout = ccsdspy.FixedLength.from_file(sys.argv[1])
best = float("inf")
for _ in range(int(sys.argv[3])):
    begin = time.process_time()
    columns = layout.load(sys.argv[2])
    best = min(best, time.process_time() - begin)
print(len(next(iter(columns.values()))), best)
