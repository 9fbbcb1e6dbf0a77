"""A card whose command is a script that runs without disbench, and without any package: PNGs by zlib."""

import sys

SCRIPT = '''
import os, struct, sys, time, zlib


def size_of(path):
    data = open(path, "rb").read()
    if data[:8] == b"\\x89PNG\\r\\n\\x1a\\n":
        return struct.unpack(">II", data[16:24])[::-1]
    at = 2  # a JPEG: its segments up to the frame
    while data[at + 1] not in (0xC0, 0xC2):
        at += 2 + struct.unpack(">H", data[at + 2 : at + 4])[0]
    return struct.unpack(">HH", data[at + 5 : at + 9])


def write_png(path, height, width, level):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    row = bytes([0]) + bytes(level if width // 4 <= x < width // 2 else 0 for x in range(width))
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(row * height)) + chunk(b"IEND", b"")
    open(path, "wb").write(b"\\x89PNG\\r\\n\\x1a\\n" + body)


images, maps, mode = sys.argv[1:4]
assert not sys.flags.no_site == 0 and "disbench" not in sys.modules
print("mode", mode, flush=True)
with open("calls.txt", "a") as calls:
    calls.write(" ".join(sorted(os.listdir(images))) + chr(10))
if mode == "fail":
    sys.exit("no GPU here")
if mode == "once" and len(open("calls.txt").readlines()) == 2:
    sys.exit("out of memory")
if mode == "hang":
    time.sleep(600)
if mode == "spoil":
    name = sorted(os.listdir(images))[0]
    open(os.path.join(images, name), "ab").write(b"x")
for name in sorted(os.listdir(images))[mode == "few":]:
    height, width = size_of(os.path.join(images, name))
    stem = name.rpartition(".")[0]
    factor = 2 if mode == "small" else 1
    write_png(os.path.join(maps, stem + ".png"), height // factor, width // factor, 200)
if mode == "extra":
    write_png(os.path.join(maps, "other.png"), 4, 4, 0)
'''

CARD = """
title = "By command"
summary = "A script of its own environment."
status = "unofficial"
command = [{python}, "-I", "-S", "predict.py", "{{images}}", "{{maps}}", "{{mode}}"]
options = {{ mode = "good" }}
timeout = {timeout}

[pipeline]
size = "native"
"""


def make_command_card(root, timeout=0, text=CARD):
    """Write the model `by_command` into a folder of models; returns its folder."""
    folder = root / "by_command"
    folder.mkdir(parents=True)
    (folder / "predict.py").write_text(SCRIPT)
    (folder / "card.toml").write_text(text.format(python=repr(sys.executable), timeout=timeout))
    return folder
