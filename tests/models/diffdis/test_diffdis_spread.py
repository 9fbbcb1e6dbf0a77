"""How far masks depend on the noise that they start from."""

import json
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from disbench.cli.main import main
from disbench.models.diffdis import noise_spread, predictor, weights
from disbench.registry.loading import get_card

torch.set_num_threads(1)


def test_measures_by_hand():
    truth = torch.zeros(9, 9)
    truth[:, 4:] = 1
    masks = truth.repeat(2, 1, 1)
    assert noise_spread.measure_masks(masks, truth) == {"std": 0, "std_outline": 0, "flipped": 0}
    masks[0, 0, 4] = 0.2  # on the outline; the other noise has 1 there
    masks[1, 0, 8] = 0.6  # off it, and still foreground in both
    got = noise_spread.measure_masks(masks, truth)
    stds = np.array([0.8, 0.4]) / 2**0.5
    assert got["std"] == pytest.approx(stds.sum() / 81)
    assert got["std_outline"] == pytest.approx(stds[0] / 36)  # a band of 4 columns
    assert got["flipped"] == pytest.approx(1 / 81)


def test_no_outline_has_no_spread_there():
    assert np.isnan(noise_spread.measure_masks(torch.rand(3, 8, 8), torch.zeros(8, 8))["std_outline"])


@pytest.fixture
def small(tmp_path):
    """DiffDIS-mini's weights at a size of a moment."""
    mini = weights.load(predictor.MINI)
    weights.save(replace(mini, size=64), tmp_path / "small")
    return str(tmp_path / "small")


def test_the_command_compares_networks_and_draws_maps(small, make_pairs, tmp_path):
    data = str(make_pairs(tmp_path / "set", ["a", "b"]))
    out = tmp_path / "out"
    call = ["noise-spread", "--data", data, "--without-dbia", "--seeds", "2", "--device", "cpu"]
    call += ["--weights", f"mini={small}"]
    done = CliRunner().invoke(main, [*call, "--pictures", "1", "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report == json.loads((out / "spread.json").read_text())
    assert [network["title"] for network in report["networks"]] == ["mini", "mini, DBIA off"]
    assert cv2.imread(str(out / "spread.png")).shape[1] > 500
    first, second = (network["images"] for network in report["networks"])
    assert [image["image"] for image in first] == ["a", "b"]
    assert all(a["std"] > 0 and a["std"] != b["std"] for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("seeds", [2, 3])
def test_each_mask_is_drawn_from_as_many_noises_as_asked_for(small, make_pairs, tmp_path, monkeypatch, seeds):
    """The first is the noise of a plain run."""
    data = make_pairs(tmp_path / "set", ["a", "b"])
    masks, drawn, one_pass = [], [], predictor.DiffDIS.one_pass

    def watched(network, batch, seeds_of_images, **options):
        drawn.append((batch.numpy().tobytes(), seeds_of_images))
        maps = one_pass(network, batch, seeds_of_images, **options)
        masks.append(maps[0][0].numpy())
        return maps

    monkeypatch.setattr(predictor.DiffDIS, "one_pass", watched)
    call = ["noise-spread", "--data", str(data), "--seeds", str(seeds), "--device", "cpu", "--weights", f"mini={small}"]
    done = CliRunner().invoke(main, [*call, "--pictures", "0", "--out", str(tmp_path / "out"), "--json"])
    assert done.exit_code == 0, done.output
    assert len(masks) == 2 * seeds
    expected = [[zlib.crc32(pixels, i % seeds)] for i, (pixels, _) in enumerate(drawn)]
    assert [pass_seeds for _, pass_seeds in drawn] == expected
    (network,) = json.loads(done.stdout)["networks"]
    for i, image in enumerate(network["images"]):
        std = np.std(masks[i * seeds : (i + 1) * seeds], axis=0, ddof=1)
        assert image["std"] == pytest.approx(std.mean(), abs=2e-6)


def test_with_dbia_off_the_edge_no_longer_reaches_the_mask(small):
    network = predictor.DiffDIS(get_card("diffdis"), small, "cpu")
    noisy = torch.randn(2, 4, 16, 16)
    conditions = tuple(torch.randn(1, 4, 16 >> k, 16 >> k) for k in range(4))
    moved = torch.cat([noisy[:1], noisy[1:] + 1])
    with torch.no_grad():
        run = lambda x: network.checkpoint.unet(x, 999, conditions, network.checkpoint.text)[0]  # noqa: E731
        assert not torch.equal(run(noisy), run(moved))
        assert noise_spread.switch_off_dbia(network)
        assert torch.equal(run(noisy), run(moved))
