"""DiffDIS without some of its parts, or with other steps of denoising: the paper's ablations."""

import csv
import io
import json
import shutil
import subprocess
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from diffusers import UNet2DConditionModel
from hashed_weights import CONFIGS, fill, hashed_base
from tiny_training import TINY, UNET, begin
from torch.nn import functional

from disbench.cli.main import main
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.models._training import recipes
from disbench.models._training.context import TrainingContext
from disbench.models.diffdis import ablate, ablation_table, batches, losses, pipeline, train, weights
from disbench.models.diffdis.batches import BatchPlan
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.losses import Latents
from disbench.models.diffdis.pipeline import Sampling
from disbench.models.diffdis.unet import DiffDISUNet, Parts

ONE_STEP = Parts(edge=False, interaction="none", injection=False)

torch.set_num_threads(1)


def network(parts, config=UNET):
    unet = DiffDISUNet(**config, **asdict(parts)).eval()
    unet.load_state_dict(fill(unet.state_dict()))
    return unet


def inputs(rows, images=2, width=8):
    torch.manual_seed(0)
    conditions = tuple(torch.randn(images, 4, 16 >> k, 16 >> k) for k in range(4))
    return torch.randn(rows, 4, 16, 16), 999, conditions, torch.randn(2, width)


@torch.no_grad()
def test_without_its_parts_it_is_the_stock_unet():
    unet = network(ONE_STEP)
    stock = UNet2DConditionModel(**UNET | {"in_channels": 8}).eval()
    stock.load_state_dict(unet.state_dict())
    noisy, t, conditions, text = inputs(2)
    wanted = stock(torch.cat([conditions[0], noisy], 1), t, text.expand(2, -1, -1)).sample
    torch.testing.assert_close(unet(noisy, t, conditions, text), wanted)


@torch.no_grad()
def test_without_interaction_the_edge_does_not_reach_the_mask():
    noisy, *other_inputs = inputs(4)
    moved = torch.cat([noisy[:2], noisy[2:] + 1])
    for interaction, reaches in (("none", False), ("mutual", True), ("joint", True)):
        unet = network(Parts(interaction=interaction))
        assert torch.equal(unet(noisy, *other_inputs)[:2], unet(moved, *other_inputs)[:2]) != reaches


@torch.no_grad()
def test_joint_attention_has_the_keys_and_values_of_both():
    block = network(Parts(interaction="joint")).mid_block.attentions[0].transformer_blocks[0]
    x = torch.randn(4, 9, 8, generator=torch.Generator().manual_seed(1))
    seen = []
    block.attn3.register_forward_hook(lambda module, args, result: seen.append((args[0], result)))
    block(x, encoder_hidden_states=torch.zeros(4, 2, 8))
    (normed, got), attention = seen[0], block.attn3
    both = torch.stack([torch.cat([normed[i % 2], normed[2 + i % 2]]) for i in range(4)])
    heads = lambda y: y.unflatten(-1, (attention.heads, -1)).transpose(1, 2)  # noqa: E731
    q, k, v = heads(attention.to_q(normed)), heads(attention.to_k(both)), heads(attention.to_v(both))
    wanted = attention.to_out[0](functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
    torch.testing.assert_close(got, wanted)


def test_tensors_that_are_left_out_are_not_there():
    names = {key: set(network(parts).state_dict()) for key, parts in {"whole": Parts(), "one": ONE_STEP}.items()}
    gone = names["whole"] - names["one"]
    assert not names["one"] - names["whole"]
    new = ("class_embedding.", "rgb_", "mid_block.attentions.0.transformer_blocks.0.attn3.")
    assert {name for name in gone if not name.startswith(new)} == {
        f"mid_block.attentions.0.transformer_blocks.0.norm2_.{kind}" for kind in ("weight", "bias")
    }


def test_interaction_needs_an_edge():
    with pytest.raises(InputError, match="nothing to interact"):
        Parts(edge=False)


def test_weights_of_an_ablation_are_saved_and_loaded_but_not_exported(tmp_path):
    recipe = replace(TINY, parts=ONE_STEP, prediction_type="epsilon")
    ablated = begin(recipe)
    weights.save(ablated, tmp_path / "own")
    again = weights.load(tmp_path / "own")
    assert again.unet.domains == 1 and set(again.unet.state_dict()) == set(ablated.unet.state_dict())
    with pytest.raises(InputError, match="only the whole network"):
        weights.export(again, tmp_path / "out")
    x, noise = torch.zeros(1, 3, 32, 32), torch.zeros(1, 4, 16, 16)
    with pytest.raises(InputError, match="without the edge"):
        pipeline.segment(again, x, noise, Sampling(edge=True))
    generators = [torch.Generator().manual_seed(0)]
    mask, _ = pipeline.segment(again, x, noise, Sampling(steps=2), generators)
    assert mask.shape == (1, 32, 32)


def test_from_a_base_parts_are_left_out_and_a_shape_is_drawn_anew(tmp_path):
    base = str(hashed_base(tmp_path / "base"))
    plain, drawn = weights.start(base, ONE_STEP), weights.start(base, ONE_STEP, scratch=True)
    assert plain.unet.domains == 1 and not hasattr(plain.unet, "rgb_conv.0")
    stock = fill(UNet2DConditionModel(**CONFIGS["B"] | {"in_channels": 4}).state_dict(), "stock.")
    assert torch.equal(plain.unet.conv_out.weight, stock["conv_out.weight"])
    assert not torch.equal(drawn.unet.conv_out.weight, stock["conv_out.weight"])


# -- Other steps of denoising


@pytest.fixture
def batch():
    torch.manual_seed(1)
    mask, edge = torch.randn(2, 2, 4, 16, 16)
    noisy, _, conditions, text = inputs(4)
    return Latents(mask=mask, edge=edge, noise=noisy, conditions=conditions), text


def test_each_row_has_its_timestep(batch):
    """The loss of two images at different steps is the mean of their single losses."""
    latents, text = batch
    checkpoint = Checkpoint(network(Parts(interaction="none")), None, text, "v_prediction")
    t = torch.tensor([999, 499])
    got = losses.one_step(checkpoint, replace(latents, timestep=t.repeat(2)))
    alone = []
    for i in (0, 1):
        image = Latents(
            mask=latents.mask[[i]],
            edge=latents.edge[[i]],
            noise=latents.noise[[i, i + 2]],
            conditions=tuple(x[[i]] for x in latents.conditions),
            timestep=int(t[i]),
        )
        alone.append(losses.one_step(checkpoint, image))
    for key in got:
        assert got[key].item() == pytest.approx(sum(x[key].item() for x in alone) / 2, rel=1e-5)


def test_without_leak_only_the_last_timestep_hides_the_truth():
    seen = []
    mask, edge, noise = torch.zeros(2, 4, 8, 8), torch.ones(2, 4, 8, 8), torch.randn(4, 4, 8, 8)
    t = torch.tensor([999, 499, 999, 499])
    latents = Latents(mask=mask, edge=edge, noise=noise, conditions=(), leak=False, timestep=t)
    losses.one_step(Checkpoint(lambda x, *_: seen.append(x) or x, None, None, "sample"), latents)
    assert torch.equal(seen[0][0::2], noise[0::2])
    alpha = pipeline.alphas_cumprod()[499]
    torch.testing.assert_close(seen[0][3], alpha.sqrt() + (1 - alpha).sqrt() * noise[3])


@pytest.mark.parametrize("steps", [1, 2])
def test_several_steps_are_those_of_inference(batch, steps):
    """Written out: at 999, then at 499 with each image's noise for its mask and then for its edges."""
    latents, text = batch
    unet = network(Parts())
    noise = latents.noise[:2].repeat(2, 1, 1, 1)  # at inference the same for mask and edge
    latents = replace(latents, noise=noise, leak=False, seeds=[3, 4])
    got = losses.several_steps(Checkpoint(unet, None, text, "v_prediction"), latents, steps)
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    alphas = np.cumprod(1 - betas)

    def clean(x_t, t):
        output = unet(x_t, t, latents.conditions, text)
        return alphas[t] ** 0.5 * x_t - (1 - alphas[t]) ** 0.5 * output

    x_t, t = noise, 999
    if steps == 2:
        generators = [torch.Generator().manual_seed(seed) for seed in (3, 4)]
        drawn = torch.cat([torch.randn(1, 4, 16, 16, generator=generators[i]) for i in (0, 1, 0, 1)])
        at, before = alphas[999], alphas[499]
        step = at / before  # of the signal's power that is left from 499 to 999
        mean = before**0.5 * (1 - step) / (1 - at) * clean(x_t, 999) + step**0.5 * (1 - before) / (1 - at) * x_t
        x_t, t = mean + ((1 - before) / (1 - at) * (1 - step)) ** 0.5 * drawn, 499
    for key, latent in zip(("mask", "edge"), clean(x_t, t).chunk(2), strict=True):
        assert got[key].item() == pytest.approx((latent - getattr(latents, key)).square().mean().item(), rel=1e-4)
    if steps == 2:
        sum(got.values()).backward()
        assert unet.conv_in.weight.grad.abs().sum() > 0


def test_batches_fit_network_and_steps(make_pairs, tmp_path):
    samples = find_dataset(str(make_pairs(tmp_path / "set", list("abcd"))), None).samples
    vae, stage = begin().vae, train.Stage(32, 8, 4)
    pictures = train.load_pictures(TINY, samples)

    def make(recipe, step):
        return batches.make_batch(recipe, BatchPlan(step=step, stage=stage), vae, pictures)

    whole = make(TINY, 0)
    masks_only = make(replace(TINY, parts=ONE_STEP, timesteps=(999, 499)), 0)
    assert masks_only.edge is None and torch.equal(masks_only.mask, whole.mask)
    assert torch.equal(masks_only.noise, whole.noise[:4]) and set(masks_only.timestep.tolist()) <= {999, 499}
    drawn = [make(replace(TINY, timesteps=()), k).timestep for k in range(5)]
    assert all(torch.equal(*t.chunk(2)) for t in drawn) and len(set(torch.cat(drawn).tolist())) > 10
    assert len(set(make(replace(TINY, rollout=2), 0).seeds)) == 4
    uncut = make(replace(TINY, cutmix=False), 1)
    plain = replace(TINY, augment=replace(TINY.augment, cutmix=0))
    assert torch.equal(uncut.mask, make(plain, 1).mask)


@pytest.mark.parametrize("augment", [TINY.augment, "authors"])
def test_parts_of_a_batch_are_the_batch(make_pairs, tmp_path, augment):
    samples = find_dataset(str(make_pairs(tmp_path / "set", list("abcd"))), None).samples
    recipe, stage = replace(TINY, augment=augment, shared_noise=False, timesteps=(999, 499)), train.Stage(32, 8, 4)
    source = samples if augment == "authors" else train.load_pictures(recipe, samples)
    vae = begin().vae
    whole, *parts = (
        batches.make_batch(recipe, BatchPlan(step=5, stage=stage, part=part), vae, source)
        for part in (slice(None), slice(0, 2), slice(2, 4))
    )
    for key in ("mask", "edge"):
        joined = torch.cat([getattr(part, key) for part in parts])
        torch.testing.assert_close(joined, getattr(whole, key), rtol=0, atol=1e-5)
    for key in ("noise", "timestep"):
        halves = [getattr(part, key).chunk(2) for part in parts]
        assert torch.equal(torch.cat([x for half in zip(*halves, strict=True) for x in half]), getattr(whole, key))


# -- The table


def test_the_shipped_rows_fit_both_recipes():
    rows = recipes.read_recipe(ablate.RECIPES / "ablations.toml", ablate.Rows).rows
    assert sorted(table for row in rows for table in row.tables.split(", ")) == ["3"] * 5 + ["4"] * 6 + ["5"] * 2
    for name in ("ablations-mini", "recommended", "paper"):
        table = recipes.read_table(ablate.RECIPES / f"{name}.toml")
        recipe_of_row = {
            row.name: recipes.convert_table(name, ablate.row_table(table, row, 7), train.Recipe) for row in rows
        }
        assert all(recipe.seed == 7 for recipe in recipe_of_row.values())
        whole = recipe_of_row["+ edge, DBIA, SWCI, CutMix"]
        assert whole == replace(recipes.read_recipe(ablate.RECIPES / f"{name}.toml", train.Recipe), seed=7)
        assert recipe_of_row["one step"].parts == ONE_STEP and not recipe_of_row["one step"].cutmix
        assert bool(whole.base) == (recipe_of_row["from SD 2.1"].base != whole.base)


@pytest.mark.ci
@pytest.mark.slow
def test_the_command_trains_rows_once_and_compares_them_seed_by_seed(make_pairs, tmp_path, monkeypatch):
    samples = find_dataset(str(make_pairs(tmp_path / "set", list("abcd"))), None).samples
    dataset = SimpleNamespace(splits={"DIS-TR": samples}, samples=samples, token="x", title="a set")
    monkeypatch.setattr(ablate, "find_dataset", lambda *_, **__: dataset)
    path = tmp_path / "r.toml"
    path.write_text(
        f'vae = "{ablate.RECIPES.parent / "mini"}"\npictures = 40\nsize = 64\n'
        "stages = [{ size = 64, steps = 1, batch = 2 }]\n[schedule]\nsteps = 1\nlr = 1e-3\n[unet]\n"
        + "".join(f"{key} = {json.dumps(value)}\n" for key, value in (UNET | {"cross_attention_dim": 32}).items())
    )
    only = [x for name in ("one step", "+ edge", "from nothing") for x in ("--only", name)]
    call = ["ablate", "--recipe", str(path), *only, "--seeds", "2", "--out", str(tmp_path / "out"), "--device", "cpu"]
    done = CliRunner().invoke(main, [*call, "--json"])
    assert done.exit_code == 0, done.output
    plain, edge, nothing = json.loads(done.stdout)
    assert (plain["row"], edge["against"], nothing["scores"]) == ("one step", "one step", {})
    values = [row["scores"]["f_max"]["values"] for row in (plain, edge)]
    assert edge["difference"]["values"] == pytest.approx(np.subtract(*values[::-1]), abs=2e-5)
    assert edge["paper_difference"] == pytest.approx(0.007)

    assert weights.load(tmp_path / "out" / "one-step" / "1").unet.domains == 1
    monkeypatch.setattr(train, "train_unet", None)  # nothing is trained again
    again = CliRunner().invoke(main, call)
    assert again.exit_code == 0, again.output
    assert again.stdout.count("|\n") == 5 and "needs the weights of Stable Diffusion" in again.stdout
    records = list(csv.DictReader(io.StringIO(CliRunner().invoke(main, [*call, "--format", "csv"]).stdout)))
    assert float(records[0]["mean"]) == plain["scores"]["f_max"]["mean"]
    path.write_text(path.read_text().replace("lr = 1e-3", "lr = 1e-4"))
    other = CliRunner().invoke(main, call)
    assert other.exit_code == 2 and "of another recipe" in other.stderr


def test_intervals_are_students():
    mean, half = ablation_table.interval([1.0, 2.0, 3.0])
    assert (mean, half) == (2.0, pytest.approx(4.3027 / 3**0.5, rel=1e-4))
    assert np.isnan(ablation_table.interval([1.0])[1])


def test_every_format_of_the_table_has_means_intervals_and_differences(tmp_path):
    hostile = r"=a_b & 50 % \input{x} | β"
    plain, changed = ablate.Row("plain", {}, paper=(0.9, 0.9, 0.9, 0.1)), ablate.Row(hostile, {}, "3", "plain")
    changed = replace(changed, paper=(0.902, 0.9, 0.9, 0.1))
    needs = ablate.Row("bare", {}, "4", "plain", needs_base=True)
    values = [{key: [base + 0.1 * k for k in range(3)] for key in ablate.METRICS} for base in (0.5, 0.25)]
    rows = zip((plain, changed, needs), (*values, {key: [] for key in ablate.METRICS}), strict=True)
    entries = ablation_table.make_entries([ablate.Trained(row, scores, "DIS-VD of A_B") for row, scores in rows])
    half = 4.3027 * 0.1 / 3**0.5

    records = list(csv.DictReader(io.StringIO(ablation_table.format_csv(entries))))
    assert [(r["row"], r["metric"]) for r in records[4:6]] == [("'" + hostile, "f_max"), ("'" + hostile, "e_mean")]
    first = records[4]
    assert [float(first[key]) for key in ("seeds", "mean", "half", "paper")] == pytest.approx(
        [3, 0.35, half, 0.902], abs=1e-4
    )
    assert [float(first[key]) for key in ("difference", "difference_half", "paper_difference")] == pytest.approx(
        [-0.25, 0, 0.002], abs=1e-5
    )
    assert (records[8]["seeds"], records[8]["mean"], records[8]["difference"]) == ("0", "", "")

    text = ablation_table.format_latex(entries, standalone=True)
    shown = rf"$0.350 \pm {half:.3f}$"
    assert text.count(shown) == 4 and r"$-0.250 \pm 0.000$ & $+0.002$ \\" in text and r"DIS-VD of A\_B" in text
    assert r"=a\_b \& 50 \% \textbackslash{}input\{x\}" in text
    assert r"\multicolumn{4}{c}{needs the weights of Stable Diffusion}" in text
    assert f"0.350 ± {half:.3f}" in ablation_table.format_markdown(entries)
    if shutil.which("pdflatex"):
        (tmp_path / "t.tex").write_text(text)
        command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace")
        assert done.returncode == 0 and "(1 page" in done.stdout and "Overfull" not in done.stdout, done.stdout


def test_an_unknown_row_is_named():
    with pytest.raises(InputError, match="no row 'edge'"):
        ablate.select_rows(recipes.read_recipe(ablate.RECIPES / "ablations.toml", ablate.Rows).rows, ["edge"])


@pytest.mark.parametrize(
    "text, message",
    [
        ("rows = []", "rows: empty; give at least one"),
        ('rows = [{ name = "?", set = {} }]', r"name = '\?': must have a letter"),
        ('rows = [{ name = "a", set = {} }, { name = "b", set = { rolout = 2 } }]', "row 'b': unknown key 'rolout'"),
        ('rows = [{ name = "a", set = { schedule = { lr = -1 } } }]', r"row 'a': Expected .*schedule\.lr"),
    ],
)
def test_what_is_wrong_with_a_row_is_told_before_any_is_trained(tmp_path, text, message):
    path = tmp_path / "rows.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        ablate.run_ablation(ablate.Plan(rows=path), tmp_path / "no data", TrainingContext(out=tmp_path / "out"))
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
