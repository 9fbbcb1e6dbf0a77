"""Soft ground truths and trimaps: read as they are, paired strictly, and part of the run key and the signature."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import naive_matting
import numpy as np
import pytest
from command import call
from image_files import write

import disbench
from disbench.data.images import read_map, read_truth
from disbench.data.location import find_dataset
from disbench.data.soft_truths import declare_truths
from disbench.errors import InputError
from disbench.leaderboard.evidence import submit_run

WHOLE = ("sad", "mad", "alpha_mse", "grad", "conn")
UNKNOWN = tuple(f"{key}_unknown" for key in WHOLE)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Soft truths, the second of which is faint, with maps and trimaps."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    for kind in ("portraits/im", "portraits/gt", "maps", "trimaps"):
        (tmp_path / kind).mkdir(parents=True)
    rng = np.random.default_rng(3)
    for name, top in (("a", 255), ("b", 100), ("c", 1)):
        truth = np.zeros((24, 32), np.uint8)
        truth[6:15, 8:20] = top
        truth = cv2.GaussianBlur(truth, (0, 0), 2)
        write(tmp_path / "portraits/im" / f"{name}.png", rng.integers(0, 256, (24, 32, 3), np.uint8))
        write(tmp_path / "portraits/gt" / f"{name}.png", truth)
        noisy = np.clip(truth + rng.normal(0, 20, truth.shape), 0, 255)
        write(tmp_path / "maps" / f"{name}.png", noisy.astype(np.uint8))
        trimap = np.where(truth == top, 255, np.where(truth > 0, 128, 0))
        write(tmp_path / "trimaps" / f"{name}.png", trimap.astype(np.uint8))
    return tmp_path


def score_soft(*arguments):
    ran = call("score", "maps", "--data", "portraits", "--truth-kind", "alpha", *arguments, "--json")
    assert ran.exit_code == 0, ran.output
    (result,) = json.loads(ran.stdout)
    return result


def triples():
    for name in "abc":
        paths = Path("maps") / f"{name}.png", Path("portraits/gt") / f"{name}.png", Path("trimaps") / f"{name}.png"
        yield read_map(paths[0]), read_truth(paths[1], kind="alpha"), read_map(paths[2])


def test_errors_of_alpha_mattes_are_scored(here):
    result = score_soft("--metrics", ",".join((*WHOLE, *UNKNOWN)), "--trimaps", "trimaps")
    rows = [naive_matting.errors(m, t) | naive_matting.errors_unknown(m, t, tri) for m, t, tri in triples()]
    expected = {key: np.mean([row[key] for row in rows]) for key in (*WHOLE, *UNKNOWN)}
    assert result["scores"]["portraits"] == pytest.approx(expected, rel=1e-9)


def test_levels_are_read_as_they_are(here):
    for path in sorted(Path("portraits/gt").iterdir()):
        assert np.array_equal(read_truth(path, kind="alpha"), cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    refused = call("score", "maps", "--data", "portraits")
    assert refused.exit_code == 2 and "b.png: its largest level is" in refused.stderr


def test_binary_measures_take_the_foreground_above_128(here):
    soft = score_soft("--metrics", "f_max,iou_max,mae,s_measure,hce")["scores"]["portraits"]
    for _, path in zip("abc", sorted(Path("portraits/gt").iterdir()), strict=True):
        write(path, np.where(read_truth(path, kind="alpha") > 128, np.uint8(255), np.uint8(0)))
    cut = call("score", "maps", "--data", "portraits", "--metrics", "f_max,iou_max,mae,s_measure,hce", "--json")
    assert json.loads(cut.stdout)[0]["scores"]["portraits"] == soft


def test_the_kind_and_the_trimaps_are_in_the_key_and_the_signature(here):
    for path in ("b", "c"):
        for kind in ("portraits/im", "portraits/gt", "maps", "trimaps"):
            (here / kind / f"{path}.png").unlink()
    (binary,) = json.loads(call("score", "maps", "--data", "portraits", "--metrics", "sad", "--json").stdout)
    soft, with_trimaps = score_soft("--metrics", "sad"), score_soft("--metrics", "sad", "--trimaps", "trimaps")
    write(here / "trimaps/a.png", np.full((24, 32), 128, np.uint8))
    others = score_soft("--metrics", "sad", "--trimaps", "trimaps")
    results = (binary, soft, with_trimaps, others)
    assert len({result["run"] for result in results}) == len({result["signature"] for result in results}) == 4
    assert "gt:alpha" not in binary["signature"] and "|gt:alpha|portraits:1|" in soft["signature"]
    assert "|gt:alpha|trimaps:" in others["signature"]
    mixed = call("report", "A=" + binary["run"], "B=" + soft["run"], "--metrics", "sad")
    assert mixed.exit_code == 2 and "are scored by different rules (only one has gt:alpha" in mixed.stderr
    assert "same kernel, protocol and kind of truths" in mixed.stderr
    identities = [json.loads(Path(r["run"], "run.json").read_text("utf-8"))["identity"] for r in (binary, soft)]
    assert [identity.get("truth_kind") for identity in identities] == [None, "alpha"]


def test_a_model_is_run_on_soft_truths_with_its_report(here):
    ran = call("run", "--model", "otsu", "--data", "portraits", "--truth-kind", "alpha", "--trimaps", "trimaps",
               "--metrics", "sad,sad_unknown", "--json")  # fmt: skip
    assert ran.exit_code == 0, ran.output
    (result,) = json.loads(ran.stdout)
    assert set(result["scores"]["portraits"]) == {"sad", "sad_unknown"}
    by = call("report", result["run"], "--by", "complexity", "--parts", "2", "--metrics", "sad")
    assert by.exit_code == 0, by.output
    page = call("report", result["run"], "--format", "html", "--metrics", "sad")
    assert page.exit_code == 0 and "no pictures" not in page.stderr, page.output
    viewed = call("view", result["run"], "--out", "viewer")
    assert viewed.exit_code == 0, viewed.output
    (again,) = disbench.score_maps(
        "maps", data="portraits", truth_kind="alpha", trimaps="trimaps", metrics="sad_unknown", out="api"
    )
    assert again.score("portraits", "sad_unknown")["sad_unknown"] > 0


def test_a_data_set_can_declare_its_kind(here):
    dataset = replace(find_dataset("portraits"), truth_kind="alpha")
    assert {sample.truth_kind for sample in declare_truths(dataset).samples} == {"alpha"}
    assert {sample.truth_kind for sample in declare_truths(find_dataset("portraits")).samples} == {"binary"}


def spoil_extra(here):
    write(here / "trimaps/d.png", np.zeros((24, 32), np.uint8))


def spoil_missing(here):
    (here / "trimaps/b.png").unlink()


def spoil_size(here):
    write(here / "trimaps/b.png", np.zeros((24, 30), np.uint8))


def spoil_levels(here):
    write(here / "trimaps/b.png", np.arange(768, dtype=np.uint8).reshape(24, 32))


@pytest.mark.parametrize(
    ("spoil", "arguments", "said"),
    [
        (spoil_extra, ["--trimaps", "trimaps"], "trimaps as trimaps of portraits/gt: 1 extra (d.png)"),
        (spoil_missing, ["--trimaps", "trimaps"], "trimaps as trimaps of portraits/gt: 1 missing (b)"),
        (spoil_size, ["--trimaps", "trimaps"], "1 of another size than the truth (b.png)"),
        (spoil_levels, ["--trimaps", "trimaps"], "portraits/b: its trimap has the levels 1 and 2 between 0 and 255"),
        (None, ["--trimaps", "nowhere"], "nowhere: no such folder"),
        (None, [], "sad_unknown: of the unknown region of trimaps; give their folder with --truth-kind alpha"),
        (None, ["--trimaps", "trimaps", "--truth-kind", "binary"], "trimaps: trimaps are of soft ground truths; add"),
        (None, ["--trimaps", "trimaps", "--out", "trimaps/runs"], "inside trimaps, which the command reads"),
    ],
)
def test_a_mistake_is_one_line(here, spoil, arguments, said):
    if spoil:
        spoil(here)
    kind = [] if "--truth-kind" in arguments else ["--truth-kind", "alpha"]
    refused = call("score", "maps", "--data", "portraits", "--metrics", "sad_unknown", *kind, *arguments)
    assert refused.exit_code == 2
    assert said in refused.stderr and refused.stderr.count("\n") == 1


def test_a_run_on_soft_truths_is_not_submitted(here, tmp_path):
    (result,) = disbench.score_maps("maps", data="portraits", truth_kind="alpha", metrics="sad", out="own")
    published = replace(result, token="dis5k|gt:alpha")  # as of DIS5K, which is not here
    with pytest.raises(InputError, match="scored on soft ground truths; leaderboards are of binary ones"):
        submit_run(published, tmp_path / "boards")
    assert not (tmp_path / "boards").exists()
