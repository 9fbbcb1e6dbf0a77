"""Checksums inside JSON documents, so that a flipped bit on a disk or in a copy is reported.

The checksum is the last key of an object, and covers all bytes before it. A document without it is accepted: it is of
an older disbench, or another program wrote it, such as one that edits a title.
"""

import re
import zlib

_CHECKSUM = re.compile(rb',"checksum":"([0-9a-f]{8})"\}\s*$')


def add_checksum(document: bytes) -> bytes:
    """Add a checksum to a JSON object that is not empty."""
    content = document[: document.rindex(b"}")].rstrip()
    return content + b',"checksum":"%08x"}' % zlib.crc32(content)


def is_damaged(document: bytes) -> bool:
    """Return whether a JSON object has a checksum that is not that of its bytes."""
    match = _CHECKSUM.search(document, max(0, len(document) - 64))
    return match is not None and zlib.crc32(document[: match.start()]) != int(match[1], 16)
