"""The table of published data sets: its facts are complete or missing, and are shown."""

import json

import pytest
from command import call

from disbench.data.dataset import SPLIT_COUNTS
from disbench.data.known import find_counts, find_known, list_known

NAMES = (
    "DIS5K HRSOD DAVIS-S UHRSD DUTS DUT-OMRON ECSSD HKU-IS PASCAL-S COD10K CAMO NC4K CHAMELEON ThinObject5K COIFT BIG "
    "P3M-10k AM-2k AIM-500"
)


def test_the_table_has_the_published_sets_with_their_sources():
    assert list(list_known()) == NAMES.split()
    assert {split.name: split.count for split in list_known()["DIS5K"].splits} == SPLIT_COUNTS
    for facts in list_known().values():
        assert all(url.startswith(("https://", "http://")) for url in (facts.homepage, *facts.sources))
        assert facts.sources
        assert facts.splits


def test_no_name_of_a_folder_stands_for_two_splits():
    folders = [f.casefold() for facts in list_known().values() for split in facts.splits for f in split.folders]
    assert len(folders) == len(set(folders))


@pytest.mark.parametrize(
    ("folder", "counts"),
    [
        ("CHAMELEON", {76}),
        ("te-cod10k", {2026}),
        ("TE_COD10K", {2026}),
        ("COD10K", {3040, 2026, 5066, 6000, 4000, 10000}),
        ("DUTS-TE", {5019}),
        ("DUTS", {10553, 5019, 15572}),
        ("P3M-500-P", {500}),
        ("UHRSD", {4932, 988, 5920}),
        ("HRSOD-TE", {400}),
        ("AM-2k", set()),  # whose splits are unknown
        ("TE-AM-2k", set()),
        ("mine", set()),
    ],
)
def test_counts_follow_the_name_of_a_folder(folder, counts):
    assert find_counts(folder) == counts


def test_mattes_are_known_as_soft():
    assert {name for name, facts in list_known().items() if facts.truth_kind == "alpha"} == {
        "P3M-10k",
        "AM-2k",
        "AIM-500",
    }
    assert find_known("P3M-500-NP").truth_kind == "alpha"
    assert find_known("mine") is None


def test_the_list_and_one_set_are_shown():
    shown = call("data", "list").stdout
    assert all(name in shown for name in NAMES.split())
    listed = json.loads(call("data", "list", "--json").stdout)
    assert [facts["name"] for facts in listed] == NAMES.split()
    text = call("data", "show", "aim-500").stdout
    assert "images: test 500\n" in text
    assert "doi: https://doi.org/10.24963/ijcai.2021/111\n" in text
    assert "licence: MIT, with a release agreement\n" in text
    assert "licence: (unknown)\n" in call("data", "show", "ECSSD").stdout
    assert json.loads(call("data", "show", "COIFT", "--json").stdout)["splits"][0]["count"] is None
    assert call("data", "show", "DIS-TE1").stdout.startswith("name: DIS5K\n")
    assert call("data", "show", "p3m_500-np").stdout.startswith("name: P3M-10k\n")
    assert "images: train (camouflaged) 3,040; test (camouflaged) 2,026\n" in call("data", "show", "COD10K").stdout
    assert call("data", "duts", "--json").stdout == call("data", "show", "DUTS", "--json").stdout != ""
    assert call("data", "DUTS-TE").stdout == call("data", "show", "DUTS-TE").stdout != ""
    refused = call("data", "show", "AIM-50")
    assert refused.exit_code == 2
    assert "did you mean AIM-500 or AM-2k?" in refused.stderr
    refused = call("data", "verfy")
    assert refused.exit_code == 2
    assert "verfy" in refused.stderr and "published" not in refused.stderr
