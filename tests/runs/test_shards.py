"""Several processes at one run: every image once, the same bytes as from one, whoever ends last."""

import hashlib
import shutil

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from disbench.cli.main import main
from disbench.errors import InputError
from disbench.runs import api
from disbench.runs.shard import WHOLE, ShardSpec, parse_shard

NAMES = [f"image{k:02}" for k in range(11)]


@pytest.fixture
def folder(tmp_path, make_pairs):
    return make_pairs(tmp_path / "mine", NAMES)


def otsu(folder, out, **options):
    return api.run("otsu", data=folder, out=out, **options)


def digest(folder):
    return hashlib.sha256((folder / "scores.parquet").read_bytes()).hexdigest()


@given(st.integers(0, 40), st.integers(1, 9))
def test_shards_have_every_image_once(images, count):
    everything = list(range(images))
    shards = [ShardSpec(i, count) for i in range(count)]
    assert sorted(k for shard in shards for k in shard.select(everything)) == everything
    assert WHOLE.select(everything) == everything


def test_shards_as_users_and_launchers_name_them():
    assert parse_shard(None) == WHOLE and parse_shard("2/8") == ShardSpec(1, 8)
    assert parse_shard("auto", {"RANK": "0", "WORLD_SIZE": "4"}) == ShardSpec(0, 4)
    assert parse_shard("auto", {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4"}) == ShardSpec(3, 4)
    for wrong in ("0/2", "3/2", "2", "a/b", "-1/2", ""):
        with pytest.raises(InputError, match="not a shard"):
            parse_shard(wrong)
    with pytest.raises(InputError, match="--shard x/4: not a shard"):
        parse_shard("auto", {"RANK": "x", "WORLD_SIZE": "4"})
    with pytest.raises(InputError, match="neither torchrun nor srun"):
        parse_shard("auto", {})


def test_whoever_ends_last_has_the_result_of_one_process(tmp_path, folder):
    whole = otsu(folder, tmp_path / "whole")
    for order in ((0, 1, 2), (2, 0, 1)):
        out = tmp_path / f"runs{order[0]}"
        *first, last = (otsu(folder, out, shard=ShardSpec(i, 3)) for i in order)
        assert first == [None, None]
        assert digest(last.folder) == digest(whole.folder)
        lines = sum(shard.read_bytes().count(b"\n") for shard in (last.folder / "shards").iterdir())
        assert lines == len(NAMES)


def test_shards_of_machines_without_a_common_disk_are_copied_together(tmp_path, folder):
    whole = otsu(folder, tmp_path / "whole")
    for i in range(2):
        assert otsu(folder, tmp_path / f"machine{i}", shard=ShardSpec(i, 2)) is None
    key = whole.folder.relative_to(tmp_path / "whole")
    shutil.copytree(tmp_path / "machine1" / key, tmp_path / "machine0" / key, dirs_exist_ok=True)
    seen = []
    merged = otsu(folder, tmp_path / "machine0", progress=lambda *told: seen.append(told[2]))
    assert "Otsu" not in seen, "nothing was left to compute"
    assert digest(merged.folder) == digest(whole.folder)


def test_the_command_says_that_others_are_not_done(tmp_path, folder):
    def invoke(*arguments):
        return CliRunner().invoke(main, [str(a) for a in arguments])

    common = ("run", "--model", "otsu", "--data", folder, "--out", tmp_path / "runs", "--shard")
    first = invoke(*common, "1/2")
    assert first.exit_code == 0 and "Shard 1/2 is finished" in first.output and "F" not in first.output
    assert "table.tex" in invoke(*common, "2/2").output
    assert invoke(*common, "3/2").exit_code == 2

    maps = ("score", next((tmp_path / "runs" / "otsu").iterdir()) / "masks" / "mine", "--truth", folder / "gt")
    score = (*maps, "--out", tmp_path / "scored", "--shard")
    assert "Shard 2/2 is finished" in invoke(*score, "2/2").output
    assert "max" in invoke(*score, "1/2").output
