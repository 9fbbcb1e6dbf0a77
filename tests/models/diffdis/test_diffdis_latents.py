"""Latents that are kept in the cache: the training is the same, and a picture is encoded once."""

from dataclasses import replace

import pytest
import torch
from click.testing import CliRunner
from tiny_training import TINY, begin, train_tiny

from disbench.cli.main import main
from disbench.data.location import find_dataset
from disbench.errors import InputError, UnwritableCache
from disbench.models._training import data
from disbench.models.diffdis import batches, latent_cache
from disbench.models.diffdis.batches import BatchPlan
from disbench.models.diffdis.latent_cache import LatentCache, check_unchanged, hash_samples
from disbench.models.diffdis.settings import Stage
from disbench.system import caches

torch.set_num_threads(1)
PLAIN = replace(
    TINY,
    augment=data.Augment(flip=0, rotation=0, colour=0, cutmix=0),
    stages=(Stage(16, 4, 2, (1.0, 1.0)), Stage(32, 4, 4, (1.0, 1.0))),
)
PLAN = BatchPlan(step=0, stage=PLAIN.stages[1])


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "latents-v1"


@pytest.fixture
def samples(make_pairs, tmp_path):
    return find_dataset(str(make_pairs(tmp_path / "set", list("abcdef"))), None).samples


@pytest.fixture
def source(samples):
    return data.Files(hash_samples(samples), PLAIN.pictures)


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_training_that_reads_the_cache_is_the_one_that_filled_it(samples, tmp_path, cache, monkeypatch, precision):
    recipe = replace(
        PLAIN,
        stages=(Stage(16, 2, 2, (1.0, 1.0)), Stage(32, 1, 6, (1.0, 1.0))),
        schedule=replace(PLAIN.schedule, steps=3, precision=precision),
    )
    filling = train_tiny(recipe, samples, tmp_path / "filling", cache_latents=True).state_dict()
    assert len(list(cache.iterdir())) == 4 + 6  # pictures of the small and of the large stage

    def encode(*_):
        raise AssertionError("a picture is encoded again")

    monkeypatch.setattr(batches, "encode_pixels", encode)
    filled = train_tiny(recipe, samples, tmp_path / "filled", cache_latents=True).state_dict()
    assert all(torch.equal(x, filled[name]) for name, x in filling.items())


@pytest.mark.parametrize("options", [{}, {"noise": "pyramid", "shared_noise": False}])
def test_latents_are_those_of_the_batch_up_to_its_rounding(source, cache, options):
    recipe, start = replace(PLAIN, **options), begin(PLAIN)
    cached = LatentCache(recipe, start.vae)(recipe, PLAN, start.vae, source)
    plain = batches.encode_batch(recipe, PLAN, start.vae, source)
    assert torch.equal(cached.noise, plain.noise) and cached.leak == plain.leak
    latents = ((x.mask, x.edge, *x.conditions) for x in (cached, plain))
    for left, right in zip(*latents, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-6)


def test_a_part_of_a_batch_has_the_latents_of_the_whole(source):
    start, part = begin(PLAIN), replace(PLAN, part=slice(2, 4))
    whole, half = (LatentCache(PLAIN, start.vae)(PLAIN, plan, start.vae, source) for plan in (PLAN, part))
    assert torch.equal(whole.mask[2:], half.mask) and torch.equal(whole.noise[[2, 3, 6, 7]], half.noise)
    assert all(torch.equal(x[2:], y) for x, y in zip(whole.conditions, half.conditions, strict=True))


def test_a_damaged_file_is_made_again(source, cache):
    start = begin(PLAIN)
    before = LatentCache(PLAIN, start.vae)(PLAIN, PLAN, start.vae, source)
    files = sorted(cache.iterdir())
    contents = [path.read_bytes() for path in files]
    files[0].write_bytes(contents[0][:-1] + b"\x00")
    files[1].write_bytes(contents[1][:40])
    after = LatentCache(PLAIN, start.vae)(PLAIN, PLAN, start.vae, source)
    assert torch.equal(before.mask, after.mask)
    assert [path.read_bytes() for path in sorted(cache.iterdir())] == contents


@pytest.mark.parametrize("change", ["vae", "scale", "pictures", "edge_width", "precision", "size", "picture", "truth"])
def test_whatever_decides_the_latents_names_the_file(samples, source, cache, change):
    start, recipe, plan = begin(PLAIN), PLAIN, PLAN
    LatentCache(recipe, start.vae)(recipe, plan, start.vae, source)
    before = {path.name for path in cache.iterdir()}
    if change == "vae":
        with torch.no_grad():
            next(start.vae.parameters()).view(-1)[0] += 1
    elif change == "scale":
        start.vae.register_to_config(scaling_factor=0.5)
    elif change == "precision":
        recipe = replace(recipe, schedule=replace(recipe.schedule, precision="bf16"))
    elif change == "size":
        plan = replace(plan, stage=replace(plan.stage, size=16))
    elif change in ("picture", "truth"):
        for sample in samples:
            path = sample.image if change == "picture" else sample.truth
            path.write_bytes(path.read_bytes() + b"\x00")
        source = replace(source, samples=hash_samples(samples))
    else:
        recipe = replace(recipe, **{change: {"pictures": 48, "edge_width": 5}[change]})
        source = replace(source, size=recipe.pictures)
    LatentCache(recipe, start.vae)(recipe, plan, start.vae, source)
    assert len(before) == 4 and len({path.name for path in cache.iterdir()} - before) == 4


def test_a_picture_that_changes_during_the_training_is_told(samples, source):
    start = begin(PLAIN)
    for sample in samples:
        sample.truth.write_bytes(sample.truth.read_bytes() + b"\x00")
    with pytest.raises(InputError, match=r"\.png"):
        LatentCache(PLAIN, start.vae)(PLAIN, PLAN, start.vae, source)


def test_a_cache_that_cannot_be_written_costs_time_and_a_warning(source, tmp_path, monkeypatch):
    start = begin(PLAIN)
    expected = LatentCache(PLAIN, start.vae)(PLAIN, PLAN, start.vae, source)
    (tmp_path / "file").touch()
    monkeypatch.setenv("DISBENCH_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(caches, "_warned", set())
    with pytest.warns(UnwritableCache, match="cannot be written"):
        latents = LatentCache(PLAIN, start.vae)(PLAIN, PLAN, start.vae, source)
    assert torch.equal(latents.mask, expected.mask)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"augment": "authors"}, r'augment = "authors"'),
        ({"augment": data.Augment(flip=0, rotation=0, colour=0.1, cutmix=0)}, "augment.colour"),
        ({"augment": data.Augment(flip=0.5, rotation=0.1, colour=0, cutmix=0)}, "augment.flip, augment.rotation"),
        ({"augment": data.Augment(flip=0, rotation=0, colour=0)}, "cutmix"),
        ({"cutmix": 0.5}, "cutmix"),
        ({"stages": (Stage(16, 8, 2),)}, "crop of the stages"),
    ],
)
def test_a_recipe_that_changes_its_pictures_is_refused(changes, named):
    with pytest.raises(InputError, match=rf"--cache-latents: .* in every epoch \({named}\); omit the option"):
        check_unchanged(replace(PLAIN, **changes))
    check_unchanged(replace(PLAIN, cutmix=False, augment=replace(PLAIN.augment, cutmix=0.5)))


def test_the_command_refuses_before_any_work(tmp_path, make_pairs):
    folder = make_pairs(tmp_path / "set", ["a"])
    for arguments, message in (
        (["mini", "--cache-latents"], "--cache-latents: the recipe changes its pictures"),
        (["--model", "isnet", "--cache-latents"], "--cache-latents needs a recipe; omit it with --model"),
        (["--model", "isnet", "--fsdp"], "--fsdp needs a recipe; omit it with --model"),
        (["mini", "--fsdp"], "--fsdp: there is only one process"),
    ):
        refused = CliRunner().invoke(main, ["train", *arguments, "--data", str(folder), "--out", str(tmp_path / "out")])
        assert refused.exit_code == 2 and message in refused.stderr
        assert refused.stderr.count("\n") == 1


def test_the_names_are_those_of_what_is_encoded():
    assert len(latent_cache.NAMES) == 2 + 4
