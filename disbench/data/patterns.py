"""The layouts of data sets, as tables of names, and pure functions that find them in a list of names.

A layout is a pair of folders, such as Imgs/ and GT/, or one folder with images and masks, told apart by the extension
or by the end of the stem.
"""

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import NamedTuple

from disbench.data.file_lists import matches_any, strip_suffix
from disbench.data.headers import EXTENSIONS

# Folders of images and of ground truths, in lower case. Both may have a tag: images_test and masks_test.
FOLDER_PAIRS = (
    ("im", "gt"),
    ("image", "gt"),
    ("image", "gt_object"),
    ("image", "mask"),
    ("image", "masks"),
    ("images", "gt"),
    ("images", "mask"),
    ("images", "masks"),
    ("images", "masks_max255"),
    ("images", "ground_truth_mask"),
    ("img", "gt"),
    ("img", "mask"),
    ("imgs", "gt"),
    ("imgs", "mask"),
    ("imgs", "masks"),
    ("rgb", "gt"),
    ("original", "mask"),
    ("original_image", "mask"),
    ("blurred_image", "mask"),
    ("dut-omron-image", "pixelwisegt-new-png"),
)
# Ends of the stems of images and of ground truths in one folder.
STEM_PAIRS = (("_im", "_gt"), ("_image", "_mask"), ("_img", "_mask"), ("_rgb", "_gt"), ("", "_gt"), ("", "_mask"))
OTHER_STEMS = ("_seg", "_trimap")  # of files next to them that are neither
JPEG = (".jpg", ".jpeg")


class FolderPair(NamedTuple):
    """A folder of images, None where only truths are looked for, and a folder of truths. `tag` is common to both."""

    tag: str
    images: str | None
    truths: str


class MixedFolder(NamedTuple):
    """Images and truths in one folder, as arguments of Files, and the layout in words."""

    layout: str
    images: dict
    truths: dict


def find_folder_pairs(names: Sequence[str], *, images: bool = True) -> list[FolderPair]:
    """Find pairs of folders of images and truths among the names of folders.

    Args:
        names: names of the folders next to one another.
        images: require folders of images. False: only folders of truths, each once.
    """
    by_key = {name.casefold(): name for name in sorted(names, reverse=True)}
    pairs: dict[tuple[str, str], FolderPair] = {}
    for image_key, truth_key in FOLDER_PAIRS:
        for tag, image_name, truth_name in _add_tags(image_key, truth_key, by_key):
            if image_name in by_key and truth_name in by_key:
                folders = by_key[image_name], by_key[truth_name]
                if folders not in pairs or not tag:
                    pairs[folders] = FolderPair(tag, *folders)
    if images:
        return list(pairs.values())
    without = [FolderPair(pair.tag, None, pair.truths) for pair in pairs.values()]
    bare = [FolderPair("", None, by_key[truth]) for _, truth in FOLDER_PAIRS if truth in by_key]
    return list(dict.fromkeys(without or bare))


def _add_tags(image_key: str, truth_key: str, names: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """List (tag, folder of images, folder of truths), the folders in lower case, for the tags that occur."""
    yield "", image_key, truth_key
    for key, name in names.items():
        for separator in "_-":
            for word in (image_key, truth_key):
                if key.startswith(word + separator):
                    end = key[len(word) :]
                    yield name[len(word) + 1 :], image_key + end, truth_key + end
                elif key.endswith(separator + word):
                    start = key[: -len(word)]
                    yield name[: -len(word) - 1], start + image_key, start + truth_key


def find_mixed(names: Sequence[str]) -> list[MixedFolder]:
    """Find the ways to read the names of files in one folder as images and truths. Most of the files must be pairs."""
    files = [PurePath(name) for name in names if PurePath(name).suffix.lower() in EXTENSIONS]
    ways = [*_find_by_extension(files), *_find_by_stem(files)]
    return [way for way, pairs in ways if pairs and 4 * pairs >= len(files)]


def _find_by_extension(files: Sequence[PurePath]) -> Iterator[tuple[MixedFolder, int]]:
    """Find images and truths of the same stem. A JPEG is the image; without JPEGs, either extension may be."""
    stems: dict[str, set[str]] = {}  # extension -> stems
    for file in files:
        extension = file.suffix.lower()
        stems.setdefault(JPEG[0] if extension in JPEG else extension, set()).add(file.stem.casefold())
    lossless = {extension: members for extension, members in stems.items() if extension != JPEG[0]}
    if JPEG[0] in stems:
        for extension, members in lossless.items():
            yield _by_extension(JPEG, extension), len(members & stems[JPEG[0]])
    elif len(lossless) == 2:
        for first, second in (tuple(lossless), tuple(lossless)[::-1]):
            yield _by_extension((first,), second), len(lossless[first] & lossless[second])


def _by_extension(images: Sequence[str], truths: str) -> MixedFolder:
    pattern = f"*{truths}"
    layout = f"images *{images[0]} and truths {pattern} in one folder"
    return MixedFolder(layout, {"excluded": (pattern,)}, {"patterns": (pattern,)})


def _find_by_stem(files: Sequence[PurePath]) -> Iterator[tuple[MixedFolder, int]]:
    """Find images and truths that differ in the end of the stem."""
    others = tuple(f"*{end}.*" for end in OTHER_STEMS)
    files = [file for file in files if not matches_any(file.name, others)]
    for image_end, truth_end in STEM_PAIRS:
        pattern = f"*{truth_end}.*"
        truths = {strip_suffix(f.stem, truth_end).casefold() for f in files if matches_any(f.name, (pattern,))}
        images = [f.stem for f in files if not matches_any(f.name, (pattern,))]
        pairs = truths & {strip_suffix(stem, image_end).casefold() for stem in images if _ends(stem, image_end)}
        yield (
            MixedFolder(
                f"images *{image_end}.* and truths {pattern} in one folder",
                {"excluded": (pattern, *others), "suffix": image_end},
                {"patterns": (pattern,), "suffix": truth_end},
            ),
            len(pairs),
        )


def _ends(stem: str, end: str) -> bool:
    return strip_suffix(stem, end) != stem if end else True
