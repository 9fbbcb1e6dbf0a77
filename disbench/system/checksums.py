"""Checksums inside JSON documents, so that a flipped bit on a disk or in a copy is reported.

The checksum is the last key of an object. It covers all bytes before it, and a context where the document belongs to
one. A document without it is accepted: it is of an older disbench, or another program wrote it, such as one that edits
a title.
"""

import re
import zlib

_CHECKSUM = re.compile(rb',"checksum":"([0-9a-f]{8})"\}\s*$')


def add_checksum(document: bytes, context: bytes = b"") -> bytes:
    """Add a checksum to a JSON object that is not empty.

    Args:
        document: the object.
        context: what the document belongs to, such as the key of its run. It is not written.
    """
    content = document[: document.rindex(b"}")].rstrip()
    return content + b',"checksum":"%08x"}' % zlib.crc32(context, zlib.crc32(content))


def is_damaged(document: bytes, context: bytes = b"") -> bool:
    """Return whether a JSON object has a checksum that is neither that of its bytes nor that of bytes and context.

    The former is that of older versions, which know no context.
    """
    match = _CHECKSUM.search(document, max(0, len(document) - 64))
    if match is None:
        return False
    checksum = zlib.crc32(document[: match.start()])
    return int(match[1], 16) not in (checksum, zlib.crc32(context, checksum))
