"""Leaderboards: the paper's numbers as printed, measured entries with evidence, and the faults that a check names."""

import csv
import json
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner
from fake_runs import make_run
from mini_runs import make_mini_run

from disbench.cli.main import main
from disbench.data.dataset import TEST_SPLITS
from disbench.leaderboard.check import check_entries
from disbench.leaderboard.entry import BOARDS_ROOT, evidence_path, find_entries, list_boards, list_entries, read_entry
from disbench.leaderboard.evidence import load_measured, prepare_entry, submit_run
from disbench.registry.discovery import list_cards
from disbench.runs.result import load_run

pytestmark = pytest.mark.usefixtures("shared_bootstraps")

GOLDEN = Path(__file__).parents[1] / "goldens" / "table2.csv"


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


def test_entries_hold_table_2_as_printed():
    with GOLDEN.open() as file:
        printed = {
            tuple(row[k] for k in ("method", "subset", "metric", "printed", "marked")) for row in csv.DictReader(file)
        }
    entries = [e for e in map(read_entry, list_entries("dis5k")) if e.reported[0].source.table == "Table 2"]
    held = {
        (entry.title, subset, metric, text, reported.marks.get(subset, {}).get(metric, ""))
        for entry in entries
        for reported in entry.reported
        for subset, row in reported.printed.items()
        for metric, text in row.items()
    }
    assert len(entries) == 12
    assert held == printed


def test_every_shipped_entry_is_valid():
    assert check_entries(find_entries(list_boards())) == []


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A run, and a leaderboard with the entry of it."""
    root = tmp_path_factory.mktemp("made")
    run = make_mini_run(root / "runs")
    assert call("submit", run.folder, "--to", root / "boards").exit_code == 0
    return root, run


@pytest.fixture
def board(made, tmp_path):
    """The path of a measured entry on a leaderboard of its own, and the run behind it."""
    root, run = made
    shutil.copytree(root / "boards", tmp_path / "boards")
    return tmp_path / "boards" / "dis-mini" / "diffdis.json", run


def test_a_submitted_run_comes_back_from_its_evidence(board):
    path, run = board
    (again,) = load_measured(path)
    assert again.scores() == run.scores()
    assert again.signature == run.signature
    (measured,) = read_entry(path).measured
    assert list(measured.scores) == [*TEST_SPLITS, "Overall"]
    for split, row in measured.scores.items():
        for metric, (value, low, high) in row.items():
            assert value == run.scores()[split][metric]
            assert low < value < high
    assert measured.seconds["infer"] == pytest.approx(0.155)
    assert check_entries([path]) == []


def test_an_entry_keeps_a_measured_part_for_each_protocol(board):
    path, run = board
    assert submit_run(run.with_protocol("mvanet"), path.parent.parent, metrics="f_max,mae") == path
    first, second = read_entry(path).measured
    assert [first.protocol, second.protocol] == ["pysod", "mvanet"]
    assert first.splits == second.splits
    assert [part.scores("f_max") for part in load_measured(path)] == [
        run.with_protocol(protocol).scores("f_max") for protocol in ("pysod", "mvanet")
    ]
    submit_run(run, path.parent.parent)
    assert [measured.protocol for measured in read_entry(path).measured] == ["mvanet", "pysod"]
    assert check_entries([path]) == []


def test_a_new_run_replaces_the_old_one_and_no_other_part(board, tmp_path):
    path, old = board
    part = make_mini_run(tmp_path / "runs", splits=("DIS-TE1",), perfect=1)
    new = make_mini_run(tmp_path / "runs", perfect=2)
    for run in (part, new):
        assert call("submit", run.folder, "--to", tmp_path / "boards").exit_code == 0
    assert [list(measured.splits) for measured in read_entry(path).measured] == [["DIS-TE1"], list(TEST_SPLITS)]
    assert len(list((path.parent / "evidence").iterdir())) == 2
    assert load_measured(path)[1].scores() == new.scores() != old.scores()
    assert check_entries([path]) == []


def test_evidence_that_another_entry_needs_stays(board, tmp_path):
    path, run = board
    assert call("submit", run.folder, "--to", tmp_path / "boards", "--as", "twin").exit_code == 0
    new = make_mini_run(tmp_path / "runs", perfect=2)
    assert call("submit", new.folder, "--to", tmp_path / "boards").exit_code == 0
    assert check_entries([path, path.with_name("twin.json")]) == []


def mutate(path, change):
    entry = json.loads(path.read_text())
    change(entry)
    path.write_text(json.dumps(entry))


def put(*keys, value):
    def change(entry):
        for key in keys[:-1]:
            entry = entry[key]
        entry[keys[-1]] = value

    return change


ONE = ("measured", 0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(*ONE, "scores", "DIS-TE1", "mae", value=[0.1, 0.05, 0.2]), "mae on DIS-TE1 is 0.1, its evidence gives"),
        (put(*ONE, "scores", "DIS-TE1", "mae", 1, value=0.0), "the interval of mae on DIS-TE1"),
        (put(*ONE, "scores", value={}), "its scores are of"),
        (put(*ONE, "splits", "DIS-TE1", value=11), "a subset is scored whole"),
        (put(*ONE, "evidence", value="0" * 64), "cannot be read"),
        (put(*ONE, "evidence", value="../../run"), "is not a SHA-256"),
        (put(*ONE, "protocol", value="mine"), "'mine' is unknown"),
        (put(*ONE, "signature", value="disbench:1|x"), "its signature"),
        (put("model", value="other"), "must be called other.json"),
        (put("schema", value=7), "schema 7"),
        (put("measured", value=3), "not a leaderboard entry"),
    ],
)
def test_each_fault_of_an_entry_is_named(board, change, words):
    path, _ = board
    mutate(path, change)
    assert any(words in fault for fault in check_entries([path]))
    result = call("leaderboard", "check", path)
    assert result.exit_code == 1
    assert words in result.stdout


def add(*keys, value):
    def change(entry):
        for key in keys[:-1]:
            entry = entry[key]
        entry[keys[-1]] += value

    return change


MAE = (*ONE, "scores", "DIS-TE1", "mae")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (add(*MAE, 0, value=1e-6), "mae on DIS-TE1 is"),
        (add(*MAE, 0, value=-1e-6), "mae on DIS-TE1 is"),
        (add(*MAE, 1, value=1e-3), "the interval of mae on DIS-TE1"),
        (add(*MAE, 2, value=-1e-3), "the interval of mae on DIS-TE1"),
        (add(*MAE, 0, value=1e-12), None),
        (add(*MAE, 1, value=1e-5), None),
    ],
)
def test_scores_and_intervals_follow_from_evidence_to_their_tolerances(board, change, words):
    path, _ = board
    mutate(path, change)
    faults = check_entries([path])
    assert len(faults) == (words is not None)
    assert all(words in fault for fault in faults)


@pytest.mark.parametrize(
    ("split", "n", "words"),
    [
        ("DIS-TE1", 11, "DIS-TE1 has 12 images, 11 were scored"),
        ("DIS-TE1", 13, "DIS-TE1 has 12 images, 13 were scored"),
        ("DIS-TE5", 12, "DIS-TE5 has None images, 12 were scored"),
    ],
)
def test_a_measured_subset_is_a_whole_one_of_the_data_set(board, split, n, words):
    path, _ = board
    mutate(path, put(*ONE, "splits", split, value=n))
    faults = [fault.removeprefix(f"{path}: ") for fault in check_entries([path])]
    assert f"{words}: a subset is scored whole or not at all" in faults


def test_changed_evidence_and_other_data_are_named(board, tmp_path):
    path, _ = board
    other = make_mini_run(tmp_path / "runs", model="isnet", perfect=2)
    call("submit", other.folder, "--to", tmp_path / "boards")
    second = path.with_name("isnet.json")
    mutate(second, put(*ONE, "truths", "DIS-TE2", value=sha256(b"other").hexdigest()))
    faults = check_entries([path, second])
    assert f"{second}: its truths of DIS-TE2 are not those of diffdis.json" in faults
    file = evidence_path(path, read_entry(path).measured[0])
    file.write_bytes(file.read_bytes() + b" ")
    assert "which has another digest" in check_entries([path])[0]


@pytest.mark.parametrize(
    ("keys", "value", "words"),
    [
        (("printed", "DIS-VD", "f_max"), "high", "is not a number"),
        (("printed", "DIS-VE"), {"f_max": "0.9"}, "unknown subset 'DIS-VE'"),
        (("printed", "DIS-VD", "f_maxx"), "0.9", "unknown metric 'f_maxx'"),
        (("marks", "DIS-VD", "f_max"), "third", "unknown mark"),
        (("marks", "DIS-TR"), {"f_max": "best"}, "a mark but no number"),
        (("protocol",), "mine", "unknown protocol"),
    ],
)
def test_a_reported_part_must_be_of_known_words(tmp_path, keys, value, words):
    path = tmp_path / "mvanet.json"
    path.write_bytes(next(p for p in list_entries() if p.stem == "mvanet").read_bytes())
    mutate(path, put("reported", 0, *keys, value=value))
    (fault,) = check_entries([path])
    assert words in fault


def test_two_entries_cannot_be_the_same_column(tmp_path):
    for name in ("mvanet", "ifa"):
        (tmp_path / f"{name}.json").write_bytes(next(p for p in list_entries() if p.stem == name).read_bytes())
    mutate(tmp_path / "ifa.json", put("reported", 0, "source", "column", value=10))
    (fault,) = check_entries(sorted(tmp_path.glob("*.json")))
    assert "column 10 of Table 2 is that of ifa.json" in fault


def test_an_entry_must_agree_with_its_whole_table(tmp_path):
    shutil.copytree(BOARDS_ROOT, tmp_path / "boards")
    path = tmp_path / "boards" / "dis5k" / "pdfnet.json"
    mutate(path, put("reported", 0, "marks", "DIS-VD", "mae", value="second"))
    (fault,) = check_entries([path])
    assert "its marks are not those of Comparison on DIS-5K" in fault
    shutil.copy(BOARDS_ROOT / "dis5k" / "pdfnet.json", path)
    mutate(path, put("reported", 0, "printed", "DIS-VD", "mae", value="0.031"))
    (fault,) = check_entries([path])
    assert "not those of Comparison on DIS-5K in tables/" in fault


def test_a_folder_of_ones_own_and_a_name_that_leaves_the_folder_are_refused(tmp_path):
    private = make_run(tmp_path / "runs", splits=("mine",), data=("mine", "folder:mine"))
    assert "is a folder of yours" in call("submit", private.folder, "--to", tmp_path / "b").stderr
    run = make_run(tmp_path / "runs")
    result = call("submit", run.folder, "--to", tmp_path / "b", "--as", "../x")
    assert result.exit_code == 2
    assert "cannot name an entry" in result.stderr
    assert "'' cannot name an entry" in call("submit", run.folder, "--to", tmp_path / "b", "--as", "").stderr
    result = call("submit", run.folder, "--bundle", tmp_path / "b", "--as", "Größe")  # which no bundle may hold
    assert result.exit_code == 2
    assert "'Größe' cannot name an entry; give letters from a to z" in result.stderr
    assert not (tmp_path / "b").exists()


def test_the_paper_of_an_entry_is_that_of_the_model(made, tmp_path):
    _, run = made
    paper = prepare_entry(load_run(run.folder), "isnet").entry.paper
    assert paper == prepare_entry(load_run(run.folder)).entry.paper == dict(list_cards()["diffdis"].paper)


def test_rows_without_a_score_that_is_shown_are_omitted():
    shown = call("leaderboard", "show", "dis5k", "--metrics", "hce", "--split", "DIS-VD").stdout.splitlines()
    entries = [read_entry(path) for path in list_entries("dis5k")]
    printed = [part.printed.get("DIS-VD", {}) for entry in entries for part in entry.published]
    rows = [line for line in shown if " reported " in line or " reproduced " in line]
    assert len(rows) == sum("hce" in row for row in printed) > 0


def test_show_sorts_filters_and_prints_json(board):
    shown = call("leaderboard", "show", "--metrics", "mae", "--split", "DIS-VD").stdout.splitlines()
    assert [line.split()[0] for line in shown[1:4]] == ["FlowDIS,", "LawDIS-R§", "LawDIS-S"]
    entries = json.loads(call("leaderboard", "show", "--find", "frequency", "--json").stdout)
    assert [entry["title"] for entry in entries] == ["FP-DIS"]
    path, run = board
    assert (
        f"{run.scores()['DIS-TE1']['mae']:.3f} ["
        in call("leaderboard", "show", path, "--split", "DIS-TE1", "--metrics", "mae").stdout
    )
    assert len(call("leaderboard", "show", "--measured").stdout.splitlines()) == 1
    wrong = call("leaderboard", "show", "--split", "DIS-TE9")
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "--split DIS-TE9: none of these entries has it; did you mean DIS-TE" in wrong.stderr


def test_audit_exits_with_status_1_if_it_has_findings():
    result = call("leaderboard", "audit")
    assert result.exit_code == 1
    assert "17 tables (1 reproduced), 1359 numbers, 6 findings" in result.stdout
    assert len(json.loads(call("leaderboard", "audit", "--json").stdout)) == 6
    whole = call("leaderboard", "audit", "birefnet")  # marks need the whole table, not only this column
    assert "1 tables, 360 numbers, 4 findings" in whole.stdout
    unknown = call("leaderboard", "audit", "birefnett")
    assert unknown.exit_code == 2
    assert "did you mean birefnet" in unknown.stderr
