"""Ground truths behind entries: digests that can be one, known facts of DIS-Mini, and the same facts in all entries."""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from disbench.data.mini import VERSION, list_members
from disbench.data.scenes.scene import scene_name
from disbench.leaderboard.entry import Entry, Measured
from disbench.runs.row_log import Row

Facts = tuple[str, int, int, int]  # name, height, width, foreground pixels

# Split of DIS-Mini -> digest of its truths as runs record it, and digest of the facts of its truths, by `_hash_facts`.
MINI_TRUTHS = {
    "DIS-VD": (
        "c68056b1e696963d1abc152c1c47388135e0cd87289ff77d8112abe1366a2a89",
        "d152a8b612940375818750404b5275202f0168c7ba25decacd74e5fca5eb0625",
    ),
    "DIS-TE1": (
        "7f331e0e0868adb626fe7e473569842f6b07f5a255435d000c93ccd163cdc0a4",
        "b50f3a771394187b9519d11eb18f9d4c87e3b42cb0ddaa3b0077a0cec2109d6f",
    ),
    "DIS-TE2": (
        "dc8a5d6aaef73069c49d7563cc4e6874f5590aac19725593bb9dd9bee2e7ab04",
        "7064f5844dddb66ed06efdbbc95ed462e02cfda2acdee2040f6a16a622650647",
    ),
    "DIS-TE3": (
        "7b5015f13ef9c2b2fde24cbcde6620145fd1251ce6da0ce237ba5b18b980e0df",
        "fc16d7d2d85b96e4088238edaa38b8094667fb6b98b3b6f399662c62ff6c6d97",
    ),
    "DIS-TE4": (
        "4678e34f0ae64b90c81a03f5674ee7f7bb3a3baaf3d39758b18e8281f70b1a4e",
        "1a83e40920ff438c494f0e2a8fe9e827d455c592a6e059640db7a7be8398c1bd",
    ),
}


class SeenEvidence:
    """What the entries that were checked so far say about ground truths and maps."""

    def __init__(self) -> None:
        self._digests: dict[tuple[str, str], tuple[str, Path]] = {}
        self._facts: dict[tuple[str, str, str], tuple[list[Facts], Path]] = {}
        self._maps: dict[tuple[str, str, str], Path] = {}

    def check_digests(self, path: Path, entry: Entry, measured: Measured) -> Iterator[str]:
        """Check that all entries were scored against the same ground truth."""
        for split, digest in measured.truths.items():
            expected, other = self._digests.setdefault((entry.token, split), (digest, path))
            if digest != expected:
                yield f"its truths of {split} are not those of {other.name}"

    def check_images(
        self, path: Path, entry: Entry, measured: Measured, rows: Mapping[str, Sequence[Row]]
    ) -> Iterator[str]:
        """Check that equal truths have equal names, sizes and foregrounds, and that no two entries have equal maps.

        Args:
            path: the entry's file.
            entry: the entry.
            measured: one of its measured parts.
            rows: the images of each subset, from the evidence of this part.

        Yields:
            One line for each subset that contradicts the entries before.
        """
        for split, split_rows in rows.items():
            facts = list_facts(split_rows)
            key = entry.token, split, measured.truths.get(split, "")
            expected, other = self._facts.setdefault(key, (facts, path))
            if facts != expected:
                yield f"its images of {split} are not those of {other.name}: {_first_difference(facts, expected)}"
            maps = self._maps.setdefault((entry.token, split, _hash_maps(split_rows)), path)
            if maps.name != path.name:  # an entry of one's own may be of the model that was measured before
                yield f"its maps of {split} are those of {maps.name}, image by image; its evidence is of that entry"


def check_truths(entry: Entry, measured: Measured) -> Iterator[str]:
    """Check digests of ground truths by themselves, and against those of DIS-Mini."""
    if entry.token.startswith("dis-mini-") and not _is_mini(entry):
        yield f"DIS-Mini has no version {entry.token.removeprefix('dis-mini-')!r}; it has {VERSION}"
    for split, digest in measured.truths.items():
        if not re.fullmatch("[0-9a-f]{64}", digest):
            yield "a digest of truths is not a SHA-256 digest"
        elif not _is_digest(digest):
            yield f"its digest of the truths of {split} was not computed from any: {digest}"
        elif _is_mini(entry) and split in MINI_TRUTHS and digest != MINI_TRUTHS[split][0]:
            yield (
                f"its truths of {split} are not those of DIS-Mini {VERSION}; render them again after "
                "`disbench data clear-cache`"
            )
    if len(set(measured.truths.values())) < len(measured.truths):
        yield "two subsets have one digest of truths"


def check_mini_images(entry: Entry, rows: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    """Check names, sizes and foregrounds against those of DIS-Mini."""
    for split in rows if _is_mini(entry) else ():
        if split not in MINI_TRUTHS:
            continue
        facts = list_facts(rows[split])
        names = {scene_name(*member) for member in list_members(split)}
        other = [name for name, *_ in facts if name not in names]
        if other:
            yield f"{other[0]!r} is no image of {split} of DIS-Mini"
        elif _hash_facts(facts) != MINI_TRUTHS[split][1]:
            yield f"the sizes or foreground pixels of its images of {split} are not those of DIS-Mini"


def list_facts(rows: Sequence[Row]) -> list[Facts]:
    """List name, height, width and foreground pixels of each ground truth, sorted by name."""
    measurements = ((row.name, row.measurement) for row in rows)
    return sorted((name, m.height, m.width, int(m.fg_hist.sum())) for name, m in measurements)


def _is_mini(entry: Entry) -> bool:
    return entry.token == f"dis-mini-{VERSION}"


def _is_digest(digest: str) -> bool:
    """Return whether hexadecimal digits look drawn. Of 10^18 digests at most one does not."""
    periods = (digest[:n] * len(digest) for n in range(1, len(digest) // 2 + 1))
    repeats = any(period.startswith(digest) for period in periods)
    return len(set(digest)) > 7 and not repeats and digest != hashlib.sha256().hexdigest()


def _hash_facts(facts: Sequence[Facts]) -> str:
    lines = ("\t".join(map(str, fact)) + "\n" for fact in sorted(facts))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _hash_maps(rows: Sequence[Row]) -> str:
    """Hash the histograms of all images. Two different methods do not agree in all of them."""
    digest = hashlib.sha256()
    for row in sorted(rows, key=lambda row: row.name):
        digest.update(row.measurement.fg_hist.astype("<i8").tobytes() + row.measurement.bg_hist.astype("<i8").tobytes())
    return digest.hexdigest()


def _first_difference(facts: Sequence[Facts], expected: Sequence[Facts]) -> str:
    for (name, *numbers), (other_name, *other_numbers) in zip(facts, expected, strict=False):
        if name != other_name:
            return f"{name!r} in place of {other_name!r}"
        for noun, number, other in zip(("height", "width", "foreground"), numbers, other_numbers, strict=True):
            if number != other:
                return f"{noun} of {name} is {number}, not {other}"
    return f"{len(facts)} images, not {len(expected)}"
