"""Image files from arrays."""

import cv2


def write(path, pixels):
    """Write an array as the image file that its suffix says."""
    ok, data = cv2.imencode(path.suffix, pixels)
    assert ok
    path.write_bytes(data.tobytes())
