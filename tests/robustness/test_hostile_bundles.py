"""Bundles of entries that are broken, that lie, or that would write elsewhere."""

import io
import json
import shutil
import stat
import zipfile
from pathlib import Path

import pytest
from hostile import accepted, call, files, refused
from mini_runs import make_mini_run

from disbench.leaderboard.entry import read_entry

pytestmark = pytest.mark.usefixtures("shared_bootstraps")
BUNDLE = Path("b.zip")
NO_BUNDLE = "b.zip: not a bundle of `disbench submit --bundle`"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Two runs of one subset, and the bundle of the first."""
    root = tmp_path_factory.mktemp("made")
    for perfect in (0, 1):
        make_mini_run(root / f"runs{perfect}", splits=("DIS-TE1",), perfect=perfect)
    run = next((root / "runs0").glob("*/*"))
    accepted(call("submit", run, "--bundle", root / BUNDLE, "--metrics", "mae", "--paper", "A Paper"))
    return root


@pytest.fixture(autouse=True)
def here(made, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)


def members():
    with zipfile.ZipFile(BUNDLE) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


ENTRY = "dis-mini/diffdis.json"


def pack(contents, kind=zipfile.ZIP_STORED, mode=stat.S_IFREG | 0o644):
    """Write a bundle of (name, bytes)."""
    with zipfile.ZipFile(BUNDLE, "w", kind) as archive:
        for name, data in contents:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.external_attr, info.compress_type, info.create_system = mode << 16, kind, 3
            archive.writestr(info, data)


def renamed(old, new):
    return lambda: pack([(name.replace(old, new), data) for name, data in members().items()])


def added(name, data=b"x"):
    return lambda: pack([*members().items(), (name, data)])


def entry(change):
    """A bundle whose entry is changed."""

    def act():
        contents = members()
        value = json.loads(contents[ENTRY])
        change(value)
        pack((contents | {ENTRY: json.dumps(value).encode()}).items())

    return act


def bits(at, value):
    def act():
        data = bytearray(BUNDLE.read_bytes())
        data[at] ^= value
        BUNDLE.write_bytes(data)

    return act


def encrypted():
    data = bytearray(BUNDLE.read_bytes())
    data[6] |= 1
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    BUNDLE.write_bytes(data)


def twice():
    contents = [*members().items()]
    with pytest.warns(UserWarning, match="Duplicate name"):
        pack([*contents, contents[0]])


def claims(size):
    """The directory says that the last member has another size."""

    def act():
        data = bytearray(BUNDLE.read_bytes())
        at = data.rindex(b"PK\x01\x02")
        data[at + 20 : at + 28] = size.to_bytes(4, "little") * 2
        BUNDLE.write_bytes(data)

    return act


def evil_name(entry_value):
    entry_value["model"] = "../../evil"


def lie(entry_value):
    entry_value["measured"][0]["scores"]["DIS-TE1"]["mae"][0] = 0.001


def published(entry_value):
    mvanet = json.loads((Path(__file__).parents[2] / "leaderboards/dis5k/mvanet.json").read_text("utf-8"))
    entry_value["reported"] = mvanet["reported"]


BOMB = zipfile.ZIP_DEFLATED
BROKEN = {
    "nothing": (lambda: BUNDLE.write_bytes(b""), NO_BUNDLE),
    "text": (lambda: BUNDLE.write_bytes(b"PK no zip"), NO_BUNDLE),
    "cut": (lambda: BUNDLE.write_bytes(BUNDLE.read_bytes()[:-40]), NO_BUNDLE),
    "a folder": (lambda: (BUNDLE.unlink(), BUNDLE.mkdir()), NO_BUNDLE),
    "missing": (BUNDLE.unlink, "b.zip: no such file"),
    "a dead link": (lambda: (BUNDLE.unlink(), BUNDLE.symlink_to("nowhere")), "b.zip: "),
    "empty": (lambda: pack([]), f"{NO_BUNDLE} (it has 0 members"),
    "damaged": (bits(200, 1), f"{NO_BUNDLE} (Bad CRC-32"),
    "encrypted": (encrypted, NO_BUNDLE),
    "above": (renamed("dis-mini/", "../"), "a member '../diffdis.json', which no bundle has"),
    "absolute": (renamed("dis-mini/", "/tmp/"), "which no bundle has"),
    "with a drive": (renamed("dis-mini/", "C:/"), "which no bundle has"),
    "backslashes": (added("dis-mini\\evidence\\x.json"), "which no bundle has"),
    "another folder": (added("runs/x.json"), "which no bundle has"),
    "a folder member": (added("dis-mini/", b""), "a member 'dis-mini/', which no bundle has"),
    "hidden": (added("dis-mini/.x.json"), "which no bundle has"),
    "a null character": (added("dis-mini/evidence/0123456789abcdef.parquet\0x"), NO_BUNDLE),
    "two boards": (added("dis5k/x.json"), "members are of several leaderboards"),
    "two entries": (added("dis-mini/x.json", b"{}"), "it has 2 entries"),
    "no entry": (lambda: pack([*members().items()][1:]), "it has 0 entries"),
    "no evidence": (lambda: pack([*members().items()][:1]), "b.zip: dis-mini/diffdis.json: dis-mini/evidence/"),
    "more evidence": (added("dis-mini/evidence/0123456789abcdef.parquet"), "its evidence is not that of its entry"),
    "many members": (lambda: pack([(f"dis-mini/{i}.json", b"") for i in range(18)]), "it has 18 members"),
    "a member twice": (twice, "two members have one name"),
    "links": (lambda: pack(members().items(), mode=stat.S_IFLNK | 0o777), "a link or a device"),
    "a bomb": (lambda: pack([(ENTRY, bytes(1 << 26))], BOMB), "compressed, which no member of a bundle is"),
    "compressed": (lambda: pack(members().items(), BOMB), "compressed, which no member of a bundle is"),
    "larger than itself": (claims(1 << 27), "its members are larger than itself"),
    "far too large": (claims(1 << 30), "too large"),
    "a huge entry": (lambda: pack([(ENTRY, bytes((1 << 24) + 1))]), "dis-mini/diffdis.json: too large"),
    "another name": (renamed("diffdis.json", "other.json"), "b.zip: dis-mini/other.json: it is the entry of diffdis"),
    "another board": (renamed("dis-mini/", "dis5k/"), "is not the data set of the leaderboard dis5k"),
    "no JSON": (lambda: pack([(ENTRY, b"{"), *[*members().items()][1:]]), "b.zip: dis-mini/diffdis.json: not a leade"),
    "a name that is a path": (entry(evil_name), "is not the name of an entry"),
    "a better score": (entry(lie), "b.zip: dis-mini/diffdis.json: mae on DIS-TE1 is 0.001, its evidence gives"),
    "a later schema": (entry(lambda value: value.update(schema=99)), "b.zip: dis-mini/diffdis.json: has schema 99"),
    "published numbers": (entry(published), "published numbers, which are entered by hand"),
    "an address that acts": (
        entry(lambda value: value["paper"].update(url="javascript:alert(1)")), "is not an https:// address"
    ),
    "words that act": (entry(lambda value: value.update(title="<script>")), "'<script>' is not plain text"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_bundle_that_is_none_is_refused_and_nothing_is_written(what):
    change, words = BROKEN[what]
    change()
    before = files()
    refused(call("leaderboard", "add", BUNDLE), words)
    assert files() == before
    assert not Path("leaderboards").exists()


def test_a_bundle_is_added_once_and_again_without_a_change():
    accepted(call("leaderboard", "add", BUNDLE))
    path = Path("leaderboards/dis-mini/diffdis.json")
    assert path.read_bytes() == members()[ENTRY]
    assert read_entry(path).paper["title"] == "A Paper"
    before = files("leaderboards")
    assert accepted(call("leaderboard", "check", "leaderboards/dis-mini")).stdout == "1 entries, 0 faults\n"
    accepted(call("leaderboard", "add", BUNDLE))
    assert files("leaderboards") == before


def test_the_same_run_makes_the_same_bundle(made):
    run = next(Path("runs0").glob("*/*"))
    accepted(call("submit", run, "--bundle", "again.zip", "--metrics", "mae", "--paper", "A Paper"))
    assert Path("again.zip").read_bytes() == BUNDLE.read_bytes()
    assert not Path("leaderboards").exists()
    refused(call("submit", run, "--bundle", run / "run.json"), "choose another place with --bundle")
    refused(call("submit", run, "--bundle", "nowhere/b.zip"), "nowhere/b.zip: ", "choose another place with --bundle")


def test_another_entry_of_the_name_is_not_replaced():
    other = next(Path("runs1").glob("*/*"))
    accepted(call("submit", other, "--metrics", "mae", "--paper", "A Paper"))
    before = files("leaderboards")
    path = "leaderboards/dis-mini/diffdis.json"
    refused(call("leaderboard", "add", BUNDLE), f"b.zip: {path} has other scores on DIS-TE1 under pysod", "--as")
    assert files("leaderboards") == before
    accepted(call("leaderboard", "add", BUNDLE, "--as", "other"))
    assert read_entry(Path("leaderboards/dis-mini/other.json")).model == "other"
    accepted(call("submit", f"Title={other}", "--as", "third"))
    refused(call("leaderboard", "add", BUNDLE, "--as", "third"), "is another entry, 'Title', not 'DiffDIS-mini'")
    refused(call("leaderboard", "add", BUNDLE, "--as", "../x"), "'../x' cannot name an entry")


def test_parts_join_an_entry_and_keep_what_it_has():
    other = make_mini_run(Path("runs2"), splits=("DIS-TE2",))
    accepted(call("submit", other.folder, "--metrics", "mae"))
    path = Path("leaderboards/dis-mini/diffdis.json")
    value = json.loads(path.read_text("utf-8"))
    value["paper"] = {}
    path.write_text(json.dumps(value), encoding="utf-8")
    accepted(call("leaderboard", "add", BUNDLE))
    entry = read_entry(path)
    assert [list(part.splits) for part in entry.measured] == [["DIS-TE2"], ["DIS-TE1"]]
    assert entry.paper["title"] == "A Paper"
    assert accepted(call("leaderboard", "check", "leaderboards/dis-mini")).exit_code == 0


def test_the_bundle_is_a_plain_zip_file():
    with zipfile.ZipFile(io.BytesIO(BUNDLE.read_bytes())) as archive:
        assert archive.testzip() is None
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist()[0] == ENTRY
