"""Recipes of DiffDIS: a fault is reported before any work, and the shipped recipes make what they say."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from layout_files import parquet_row, put_parquet
from tiny_training import TINY, UNET, VAE, begin

from disbench.cli.main import main
from disbench.errors import InputError
from disbench.models._training import recipes
from disbench.models._training.context import TrainingContext
from disbench.models.diffdis import check, train, train_vae, weights

RECIPES = Path(train.__file__).parent / "recipes"
TABLES = "[schedule]\nlr = 1\nsteps = 2"
STAGES = "stages = [{ size = 8, steps = 2, batch = 2 }]\n" + TABLES


@pytest.mark.parametrize(
    "text, message",
    [
        ("lr = 1", "unknown key 'lr'; known: stages, schedule, base"),
        ("[schedule]\nspeed = 1", "unknown key 'speed'; known: steps, lr"),
        ("vae = 3", "Expected `str`"),
        ("vae = ", "not a recipe"),
        ('base = "x"\nstages = [{ size = 8, steps = 2, batch = 3 }]\n' + TABLES, "even"),
        ('base = "x"\nstages = [{ size = 8, steps = 3, batch = 2 }]\n' + TABLES, "equal"),
        ("stages = [{ size = 8, steps = 2, batch = 2 }]\n" + TABLES, "give either base, or vae and unet"),
        ('base = "x"\nvae = "y"\nstages = []\nunet.a = 1\n' + TABLES, "give either base, or vae and unet"),
        ('base = "x"\nnoise = "pink"\nstages = []\n' + TABLES, r"Invalid enum value 'pink'"),
        ('base = "x"\naugment = "mine"\nstages = []\n' + TABLES, r"augment"),
        ('base = "x"\nstages = []\n[schedule]\nlr = 1\nsteps = 1\ndecay = "authors"', "needs epoch"),
        ('vae = "x"\nstages = [{ sise = 8 }]', "unknown key 'sise'; known: size, steps, batch"),
        ('base = "x"\nstages = []\n' + TABLES, "stages: empty; a training needs at least one"),
        ('base = "x"\nstages = [{ size = 8, steps = 2, batch = 0 }]\n' + TABLES, r"stages\[0\]\.batch"),
        (
            'base = "x"\n' + STAGES.replace("batch = 2", "batch = 2, crop = [0.5, 3.0]"),
            r"stages\[0\]\.crop",
        ),
        ('base = "x"\npictures = 0\n' + STAGES, r"\$\.pictures"),
        ('base = "x"\nseed = -1\n' + STAGES, r"\$\.seed"),
        ('base = "x"\nedge_width = 4\n' + STAGES, "edge_width 4: must be odd"),
        ('base = "x"\n' + STAGES + "\nlog_every = 0", r"schedule\.log_every"),
        ('base = "x"\n' + STAGES + "\ncheckpoint_every = 0", r"schedule\.checkpoint_every"),
        ('base = "x"\n' + STAGES + "\naccumulate = 0", r"schedule\.accumulate"),
        ('base = "x"\n' + STAGES + "\nema = 2", r"schedule\.ema"),
        ('base = "x"\n' + STAGES + "\nweight_decay = nan", r"schedule\.weight_decay"),
        ('base = "x"\n' + STAGES + "\nmore = [[1, 2, 1e-3]]", "begins at step 1, the one before ends at 2"),
        ('base = "x"\n' + STAGES.replace("lr = 1", "lr = -1"), r"schedule\.lr"),
        ('base = "x"\n' + STAGES.replace("lr = 1", "lr = inf"), r"schedule\.lr"),
    ],
)
def test_recipe_errors_name_the_key(tmp_path, text, message):
    path = tmp_path / "r.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        recipes.read_recipe(path, train.Recipe)
    assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_keys_are_changed_from_the_command_line(tmp_path, monkeypatch):
    paper = RECIPES / "paper.toml"
    lines = [("schedule.lr", "1e-5"), ("noise", "white"), ("stages", "[{ size = 64, steps = 135000, batch = 4 }]")]
    recipe = recipes.convert_table(
        paper, recipes.apply_changes(recipes.read_table(paper), lines), train.Recipe
    )
    plain = recipes.read_recipe(paper, train.Recipe)
    assert recipe == replace(
        plain, schedule=replace(plain.schedule, lr=1e-5), noise="white", stages=(train.Stage(64, 135000, 4),)
    )
    monkeypatch.chdir(tmp_path)
    (tmp_path / "paper").mkdir()  # is no recipe
    for arguments, words in (
        (("paper", "--set", "seed=-1"), "paper.toml: Expected `int` >= 0 - at `$.seed`"),
        (("paper", "--set", "schedule.speed=1"), "paper.toml: unknown key 'speed'; known: steps, lr"),
        (("paper", "--set", "seed"), "'seed' is not NAME=VALUE"),
        (("papers",), "papers: no such file, nor a recipe of disbench's; did you mean paper?"),
        (("--model", "isnet", "--set", "seed=1"), "--set needs a recipe"),
    ):
        ran = CliRunner().invoke(main, ["train", *arguments, "--out", "out"])
        assert ran.exit_code == 2 and words in ran.output, ran.output
    assert not (tmp_path / "out" / "unet.pt").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"stages": (train.Stage(36, 8, 2),)}, "size = 36: must be a multiple of 16; near: 32"),
        ({"size": 100}, "size = 100: must be a multiple of 16; near: 96"),
        ({"text": (2, 16)}, "text = .2, 16.: its width must be cross_attention_dim, here 8"),
        ({"unet": UNET | {"block_out_channels": [8, 8, 8]}}, "makes no U-Net .*block_out_channels"),
        ({"unet": UNET | {"foo": 1}}, "makes no U-Net .*foo"),
        ({"unet": UNET | {"out_channels": 3}}, r"makes no U-Net .*\(4, 3, 8, 8\)"),
    ],
)
def test_what_does_not_fit_is_told_before_the_vae_is_trained(tmp_path, changes, message):
    path, tables = tmp_path / "tiny.toml", "".join(f"[{name}]\nlr = 1\nsteps = 2\n" for name in ("schedule", "decoder"))
    config = "".join(f"{key} = {json.dumps(value)}\n" for key, value in VAE.items())
    (tmp_path / "tiny-vae.toml").write_text(tables + "[vae]\n" + config)
    with pytest.raises(InputError, match=message) as caught:
        train.prepare_checkpoint(replace(TINY, **changes), path, (), TrainingContext(out=tmp_path / "out"))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"crop": 33}, "crop = 33: must be a multiple of 2"),
        ({"vae": VAE | {"latent_channels": 3}}, r"makes no autoencoder .*\(1, 3, 16, 16\)"),
        ({"vae": VAE | {"norm_num_groups": 3}}, "makes no autoencoder .*divisible"),
    ],
)
def test_an_autoencoder_that_fits_nothing_is_told_as_well(tmp_path, changes, message):
    recipe = replace(train_vae.VAERecipe(VAE, TINY.schedule, TINY.schedule, crop=32), **changes)
    with pytest.raises(InputError, match=message) as caught:
        check.check_vae(tmp_path / "v.toml", recipe)
    assert "v.toml" in str(caught.value)


def test_shipped_weights_are_those_of_the_shipped_recipe():
    recipe = recipes.read_recipe(RECIPES / "mini.toml", train.Recipe)
    vae = recipes.read_recipe(RECIPES / recipe.vae, train_vae.VAERecipe).vae
    mini = weights.load(RECIPES.parent / "mini")
    assert mini.size == recipe.size
    assert mini.prediction_type == recipe.prediction_type
    assert mini.unet.config.block_out_channels == recipe.unet["block_out_channels"]
    assert mini.vae.config.block_out_channels == vae["block_out_channels"]
    assert sum(path.stat().st_size for path in (RECIPES.parent / "mini").iterdir()) < 12e6
    log = (RECIPES.parent / "mini" / "unet.jsonl").read_text().splitlines()
    assert json.loads(log[-1])["step"] == recipe.schedule.total


@pytest.mark.parametrize("layout", ["folders", "parquet"])
def test_a_recipe_trains_on_data_of_one_place_and_validates_on_another(tmp_path, make_pairs, monkeypatch, layout):
    weights.save(begin(), tmp_path / "vae")  # a folder of weights in a recipe's `vae` gives its VAE
    unet = "\n".join(f"{key} = {json.dumps(value)}" for key, value in UNET.items())
    (tmp_path / "own.toml").write_text(
        f'vae = "vae"\npictures = 40\nsize = 32\ntext = [2, 8]\nstages = [{{ size = 32, steps = 2, batch = 2 }}]\n'
        f"[schedule]\nsteps = 2\nlr = 1e-3\nlog_every = 1\nvalidate_every = 1\n[unet]\n{unet}\n"
    )
    monkeypatch.chdir(tmp_path)
    if layout == "parquet":
        for split in ("train", "validation"):
            put_parquet(tmp_path / f"own/{split}.parquet", [parquet_row(k) for k in range(2)])
        place = ["--data", "own"]
    else:
        make_pairs(tmp_path / "own", ["a", "b"])
        make_pairs(tmp_path / "other", ["c"])
        place = ["--data", "own", "--validate", "other"]
    arguments = ["own.toml", *place, "--out", "out", "--device", "cpu"]
    ran = CliRunner().invoke(main, ["train", *arguments])
    assert ran.exit_code == 0, ran.output
    lines = [json.loads(line) for line in (tmp_path / "out" / "unet.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "f_max" in line] == [1, 2]
    assert weights.load(tmp_path / "out").size == 32
