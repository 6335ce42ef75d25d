"""Decodes a packet file with space_packet_parser; prints packets, CPU seconds and a digest of the values.

usage: spp.py XTCE PACKETS

The digest is SHA-1 over every engineering value as a big-endian IEEE 754 double, packet by packet, in the
order of the containers: the same is made of Perigee's values, so equal digests mean identical values.
"""
import hashlib
import struct
import sys
import time

from space_packet_parser.generators import ccsds_generator
from space_packet_parser.xtce.definitions import XtcePacketDefinition

definition = XtcePacketDefinition.from_xtce(sys.argv[1])
digest = hashlib.sha1()
packets = 0
begin = time.process_time()
decoded = []
with open(sys.argv[2], "rb") as file:
    for raw in ccsds_generator(file):
        decoded.append(definition.parse_bytes(raw))
        packets += 1
seconds = time.process_time() - begin
for packet in decoded:
    for value in packet.values():
        digest.update(struct.pack(">d", float(value)))
print(packets, seconds, digest.hexdigest())
