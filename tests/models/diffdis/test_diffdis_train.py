"""Training DiffDIS: Algorithm 1, its pictures, and a training that may be cut off anywhere."""

import json
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from function_task import FunctionTask, fit_functions
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tiny_training import TINY, UNET, VAE, begin, train_tiny
from torch.utils._pytree import tree_leaves

from disbench.data.dataset import Sample
from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models._training import data, recipes, tracking
from disbench.models._training.context import TrainingContext
from disbench.models._training.schedule import Schedule
from disbench.models.diffdis import batches, conditioning, lora, losses, pipeline, train, train_vae, weights
from disbench.models.diffdis.checkpoint import Checkpoint
from disbench.models.diffdis.losses import Latents
from disbench.models.diffdis.unet import DiffDISUNet


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def samples(tmp_path):
    """Six pictures of a bright disc on noise."""
    rng = np.random.default_rng(0)
    drawn = []
    for i in range(6):
        truth = cv2.circle(np.zeros((40, 48), np.uint8), (12 + 4 * i, 20), 9, 255, -1)
        image = np.clip(rng.integers(0, 90, (40, 48, 3)) + truth[..., None] // 2, 0, 255).astype(np.uint8)
        image_path, truth_path = tmp_path / f"{i}.jpg", tmp_path / f"{i}.png"
        cv2.imwrite(str(image_path), image)
        cv2.imwrite(str(truth_path), truth)
        drawn.append(Sample("DIS-TR", str(i), image_path, truth_path))
    return drawn


def test_loss_is_algorithm_1():
    torch.manual_seed(0)
    unet = DiffDISUNet(**UNET).eval()
    mask, edge = torch.randn(2, 2, 4, 8, 8)
    noise, text = torch.randn(4, 4, 8, 8), torch.randn(2, 8)
    conditions = tuple(torch.randn(2, 4, 8 // 2**k, 8 // 2**k) for k in range(4))
    latents = Latents(mask=mask, edge=edge, noise=noise, conditions=conditions)
    parts = losses.one_step(Checkpoint(unet, None, text, "epsilon"), latents)

    beta = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    alpha = float(np.prod(1 - beta))
    m_t = alpha**0.5 * mask + (1 - alpha) ** 0.5 * noise[:2]
    e_t = alpha**0.5 * edge + (1 - alpha) ** 0.5 * noise[2:]
    eps_m, eps_e = unet(torch.cat([m_t, e_t]), 999, conditions, text).chunk(2)
    for name, x, x_t, eps in (("mask", mask, m_t, eps_m), ("edge", edge, e_t, eps_e)):
        denoised = (x_t - (1 - alpha) ** 0.5 * eps) / alpha**0.5
        assert parts[name].item() == pytest.approx(((denoised - x) ** 2).mean().item(), rel=1e-4)


def test_without_leak_the_truth_is_not_in_the_input():
    seen = []
    mask, edge, noise = torch.zeros(1, 4, 8, 8), torch.ones(1, 4, 8, 8), torch.randn(2, 4, 8, 8)
    latents = Latents(mask=mask, edge=edge, noise=noise, conditions=(), leak=False)
    losses.one_step(Checkpoint(lambda x, *_: seen.append(x) or x, None, None, "sample"), latents)
    assert torch.equal(seen[0], noise)


@pytest.mark.parametrize("prediction_type", ["epsilon", "v_prediction", "sample"])
def test_a_perfect_network_has_no_loss(prediction_type):
    clean, noise = torch.randn(2, 4, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    a, b = (f(pipeline.alphas_cumprod()[999]).sqrt() for f in (lambda x: x, lambda x: 1 - x))
    perfect = {"epsilon": noise, "v_prediction": a * noise - b * clean, "sample": clean}[prediction_type]
    mask, edge = clean.chunk(2)
    latents = Latents(mask=mask, edge=edge, noise=noise, conditions=())
    parts = losses.one_step(Checkpoint(lambda *_: perfect, None, None, prediction_type), latents)
    assert max(part.item() for part in parts.values()) < 1e-6


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_cutmix_pastes_one_box_of_the_neighbour_into_all(seed):
    image = torch.arange(4.0).reshape(4, 1, 1, 1) + torch.rand(4, 3, 24, 32) / 2
    mask = torch.arange(4.0).reshape(4, 1, 1, 1).expand(4, 1, 24, 32)
    boxes = data.draw_boxes(4, 1.0, (24, 32), np.random.default_rng(seed))
    mixed_image, mixed_mask = data.paste_boxes(boxes, image, mask)
    for i, (got, pasted) in enumerate(zip(mixed_image, mixed_mask[:, 0] != mask[:, 0], strict=True)):
        ys, xs = pasted.nonzero(as_tuple=True)
        height, width = ys.max() - ys.min() + 1, xs.max() - xs.min() + 1
        assert pasted.sum() == height * width
        assert torch.equal(got, torch.where(pasted, image[i ^ 1], image[i]))


def test_cutmix_can_be_off():
    assert data.draw_boxes(4, 0.0, (8, 8), np.random.default_rng(0)) == [None] * 4


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([3, 5]))
def test_edges_are_dilation_minus_erosion(seed, width):
    mask = (np.random.default_rng(seed).random((9, 11)) > 0.7).astype(np.float32)
    kernel = np.ones((width, width), np.uint8)
    band = cv2.dilate(mask, kernel) - cv2.erode(mask, kernel)
    assert np.array_equal(data.edges(torch.from_numpy(mask)[None, None], width)[0, 0].numpy(), band)


@pytest.mark.parametrize("flip", [0.0, 1.0])
def test_augmentation_moves_image_and_mask_alike(samples, flip):
    pictures = data.load_pictures(samples, 40)
    pictures = replace(pictures, images=np.repeat(pictures.truths[..., None], 3, axis=3))
    augment = data.Augment(flip=flip, rotation=1.0, colour=0.0)
    images, masks = data.make_batch(pictures, range(6), 32, augment, np.random.default_rng(0))
    assert torch.allclose(images, masks.expand(-1, 3, -1, -1), atol=1e-6)
    assert 0.1 < masks.mean() < 0.4
    still = data.make_batch(pictures, range(6), 32, replace(augment, flip=1 - flip), np.random.default_rng(0))[1]
    assert (masks - still.flip(-1)).abs().mean() < 0.01 < (masks - still).abs().mean()


def test_plain_cut_is_the_picture(samples):
    pictures = data.load_pictures(samples, 40)
    plain = data.Augment(flip=0.0, crop=(1.0, 1.0), rotation=0.0, colour=0.0)
    images, masks = data.make_batch(pictures, range(6), 40, plain, np.random.default_rng(0))
    assert np.array_equal(np.rint(images.numpy() * 255), pictures.images.transpose(0, 3, 1, 2))
    assert np.array_equal(np.rint(masks[:, 0].numpy() * 255), pictures.truths)


def test_every_epoch_shows_every_picture_once():
    seen = [row for step in range(14) for row in data.rows_of_step(7, 4, step, seed=3)]
    epochs = [tuple(seen[i : i + 7]) for i in range(0, 56, 7)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert len(set(epochs)) > 1


def test_a_killed_training_ends_in_the_same_weights(samples, tmp_path):
    def kill(done, *_):
        if done == 5:
            raise KeyboardInterrupt

    whole = train_tiny(TINY, samples, tmp_path / "whole", samples[:1])
    with pytest.raises(KeyboardInterrupt):
        train_tiny(TINY, samples, tmp_path / "cut", samples[:1], progress=kill)
    torch.manual_seed(99)
    resumed = train_tiny(TINY, samples, tmp_path / "cut", samples[:1])

    assert all(torch.equal(x, resumed.state_dict()[name]) for name, x in whole.state_dict().items())
    logs = [[json.loads(line) for line in (tmp_path / run / "unet.jsonl").open()] for run in ("whole", "cut")]
    assert [line["step"] for line in logs[1]] == list(range(1, 9))
    for a, b in zip(*logs, strict=True):
        assert a | {"seconds": 0} == b | {"seconds": 0}


def test_a_checkpoint_of_another_recipe_is_refused(samples, tmp_path):
    train_tiny(TINY, samples, tmp_path)
    with pytest.raises(InputError, match="another recipe"):
        train_tiny(replace(TINY, seed=1), samples, tmp_path)


def test_validation_is_logged(samples, tmp_path):
    recipe = replace(TINY, schedule=replace(TINY.schedule, validate_every=4))
    train_tiny(recipe, samples, tmp_path, samples[:2])
    lines = [json.loads(line) for line in (tmp_path / "unet.jsonl").open()]
    assert [line["step"] for line in lines if "f_max" in line] == [4, 8]


def test_samples_are_drawn_at_validation(samples, tmp_path):
    recipe = replace(TINY, schedule=replace(TINY.schedule, validate_every=8), show=2)
    train_tiny(recipe, samples, tmp_path, samples[:3])
    (path,) = (tmp_path / "samples").iterdir()
    drawn = cv2.imread(str(path))
    assert path.name == "8.png" and drawn.shape == (2 * 256, 3 * 256, 3)
    truth = cv2.resize(cv2.imread(str(samples[1].truth)), (256, 256))
    assert np.abs(drawn[256:, 256:512].astype(float) - truth).mean() < 3


def test_it_goes_on_with_its_own_pictures_alone(samples, tmp_path):
    single = Schedule(1, 1e-3)
    recipe = replace(TINY, stages=(train.Stage(16, 1, 2),), schedule=single)
    others = [replace(sample, name=f"{sample.name}2") for sample in samples]
    for run in (
        lambda seen: train_tiny(recipe, seen, tmp_path),
        lambda seen: train_vae.train_vae(
            train_vae.VAERecipe(VAE, single, single, size=40, crop=16), seen, TrainingContext(out=tmp_path)
        ),
    ):
        run(samples)
        run(samples)
        with pytest.raises(InputError, match="trained on other pictures; give the --data that it started with"):
            run(others)


def test_the_log_goes_to_a_tracker_as_well(samples, tmp_path):
    seen = []
    train_tiny(TINY, samples, tmp_path, tracker=lambda *line: seen.append(line))
    lines = [json.loads(line) for line in (tmp_path / "unet.jsonl").open()]
    assert seen == [("unet", line["step"], line) for line in lines]


@pytest.mark.parametrize("kind, package", [("tensorboard", "torch.utils.tensorboard"), ("trackio", "trackio")])
def test_a_tracker_that_is_not_installed_is_named(tmp_path, monkeypatch, kind, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InputError, match=f"pip install {kind}"):
        tracking.open_tracker(kind, tmp_path)


def test_tensorboard_has_the_values(tmp_path):
    pytest.importorskip("tensorboard")
    tracking.open_tracker("tensorboard", tmp_path)("unet", 3, {"mask": 0.5})
    assert [path.stat().st_size > 100 for path in (tmp_path / "tensorboard").iterdir()] == [True]


def test_trackio_has_the_values(tmp_path, monkeypatch):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    trackio = pytest.importorskip("trackio")
    track = tracking.open_tracker("trackio", tmp_path / "mine")
    track("unet", 3, {"mask": 0.5})
    track("unet", 4, {"mask": 0.25})
    trackio.finish()
    logs = trackio.SQLiteStorage.get_logs("disbench", "mine")
    assert [(line["step"], line["unet/mask"]) for line in logs] == [(3, 0.5), (4, 0.25)]


def test_eight_bit_adam_goes_on_where_it_was_killed(samples, tmp_path):
    """It keeps moments in 8 bits of tensors of 4096 values and more."""
    pytest.importorskip("bitsandbytes")

    def kill(done, *_):
        if done == 5:
            raise KeyboardInterrupt

    schedule = replace(TINY.schedule, optimizer="adamw8bit")
    recipe = replace(TINY, schedule=schedule, unet=TINY.unet | {"block_out_channels": [32] * 4})
    whole = train_tiny(recipe, samples, tmp_path / "whole").state_dict()
    with pytest.raises(KeyboardInterrupt):
        train_tiny(recipe, samples, tmp_path / "cut", progress=kill)
    state = torch.load(tmp_path / "cut" / "unet.pt", weights_only=True)["optimizer"]["state"]
    assert torch.uint8 in {x.dtype for x in tree_leaves(state) if isinstance(x, torch.Tensor)}
    resumed = train_tiny(recipe, samples, tmp_path / "cut").state_dict()
    assert all(torch.equal(x, resumed[name]) for name, x in whole.items())


def test_eight_bit_adam_and_lora_name_what_they_need(tmp_path, monkeypatch):
    for package in ("bitsandbytes.optim", "peft"):
        monkeypatch.setitem(sys.modules, package, None)
    schedule = Schedule(1, 1e-3, optimizer="adamw8bit")
    with pytest.raises(InputError, match="pip install bitsandbytes"):
        fit_functions(torch.nn.Linear(1, 1), schedule, FunctionTask(None, None), tmp_path)
    with pytest.raises(InputError, match="pip install peft"):
        lora.add_adapters(begin().unet, 4)


def test_low_rank_adaptation_trains_what_is_new_and_ends_in_a_plain_unet(samples, tmp_path):
    pytest.importorskip("peft")
    recipe = replace(TINY, lora=2, embedding_lr=1.0)
    start = begin(recipe)
    old = {name: x.clone() for name, x in start.unet.state_dict().items()}
    lora.add_adapters(start.unet, recipe.lora)
    thin = [name for name, _ in start.unet.named_parameters() if "lora_" in name]
    assert thin and not any(".attn3." in name for name in thin)
    new = train_tiny(recipe, samples, tmp_path, start=start).state_dict()
    assert new.keys() == old.keys()
    changed = {name for name in old if not torch.equal(old[name], new[name].to(old[name].dtype))}
    attention = ".to_q.", ".to_k.", ".to_v.", ".to_out."
    trained = {name for name in changed if not lora.NEW.match(name)}
    assert trained and all(any(part in name for part in attention) for name in trained)
    assert {"conv_in.weight", "rgb_proj.0.weight", "class_embedding.linear_1.weight"} <= changed
    assert f"{weights.MID_BLOCK}.attn3.to_out.0.bias" in changed


def test_the_best_are_kept(samples, tmp_path, monkeypatch):
    scores = iter([0.3, 0.6, 0.2, 0.5])
    monkeypatch.setattr(train, "score_checkpoint", lambda *_: {"f_max": next(scores)})
    recipe = replace(TINY, schedule=replace(TINY.schedule, validate_every=2, keep=2))
    last = train_tiny(recipe, samples, tmp_path, samples[:1])
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == ["unet-4.safetensors", "unet-8.safetensors"]
    latest = load_file(tmp_path / "unet-8.safetensors")
    assert all(torch.equal(latest[name], x) for name, x in last.state_dict().items())


@pytest.mark.parametrize("rank", [0, 2])
def test_what_was_kept_is_loaded_with_the_rest_of_its_folder(samples, tmp_path, monkeypatch, rank):
    if rank:
        pytest.importorskip("peft")
    scores = iter([0.6, 0.5])
    monkeypatch.setattr(train, "score_checkpoint", lambda *_: {"f_max": next(scores)})
    schedule = replace(TINY.schedule, steps=2, validate_every=1, keep=2)
    recipe = replace(TINY, lora=rank, stages=(train.Stage(32, 2, 2),), schedule=schedule)
    start = begin(recipe)
    if rank:
        lora.add_adapters(start.unet, rank)
    last = train_tiny(recipe, samples, tmp_path, samples[:1], start=start)
    with pytest.raises(InputError, match=r"unet-1.safetensors: from an unfinished training.*resume the training first"):
        weights.load(tmp_path / "unet-1.safetensors")
    weights.save(replace(start, unet=last), tmp_path)
    best, latest = (weights.load(tmp_path / f"unet-{step}.safetensors") for step in (1, 2))
    assert all(torch.equal(latest.unet.state_dict()[name], x) for name, x in last.state_dict().items())
    assert (best.size, best.prediction_type) == (32, "v_prediction")
    assert weights.digest(weights.load(tmp_path / "unet.safetensors")) == weights.digest(weights.load(tmp_path))

    model = load_model("diffdis", str(tmp_path / "unet-1.safetensors"), "cpu")
    assert model.predict(np.zeros((20, 30, 3), np.uint8)).shape == (20, 30)
    assert model.predictor.identity["weights"] == weights.digest(best) != weights.digest(latest)


def test_every_stage_accumulates(samples, tmp_path):
    """Stages count steps, whatever number of batches each of these has."""
    seen = []

    def encode(recipe, plan, vae, source):
        seen.append((plan.stage.size, plan.step))
        return batches.encode_batch(recipe, plan, vae, source)

    stages = (train.Stage(16, 1, 2), train.Stage(32, 2, 2))
    recipe = replace(TINY, stages=stages, schedule=replace(TINY.schedule, steps=3, accumulate=2))
    train.train_unet(recipe, begin(recipe), samples, (), TrainingContext(out=tmp_path), encode)
    assert seen == [(16, 0), (16, 1), (32, 2), (32, 3), (32, 4), (32, 5)]


@pytest.mark.ci
@pytest.mark.slow
def test_half_precision_trains_as_float32_does(samples, tmp_path):
    """What is computed is in half, weights are not; the first losses differ by recipe half precision rounds."""
    logs, computed = {}, {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    for precision, dtype in computed.items():
        recipe, start, seen = replace(TINY, schedule=replace(TINY.schedule, precision=precision)), begin(), set()
        start.unet.conv_out.register_forward_hook(lambda _, __, result, seen=seen: seen.add(result.dtype))
        trained = train_tiny(recipe, samples, tmp_path / precision, start=start)
        assert seen == {dtype}
        assert all(x.isfinite().all() and x.dtype != torch.float16 for x in trained.state_dict().values())
        logs[precision] = [json.loads(line) for line in (tmp_path / precision / "unet.jsonl").open()]
        before = begin().unet.state_dict()
        assert any(not torch.equal(x, before[name]) for name, x in trained.state_dict().items())
    for precision, tolerance in (("bf16", 0.02), ("fp16", 0.005)):
        for part in ("mask", "edge"):
            assert logs[precision][0][part] == pytest.approx(logs["fp32"][0][part], rel=tolerance)


def test_training_learns(samples, tmp_path):
    recipe = replace(
        TINY,
        stages=(train.Stage(32, 20, 4, (1.0, 1.0)),),
        schedule=Schedule(20, 5e-3, warmup=0.1, log_every=1),
        augment=data.Augment(flip=0, rotation=0, colour=0, cutmix=0),
    )
    train_tiny(recipe, samples, tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "unet.jsonl").open()]
    first, last = (line["mask"] + line["edge"] for line in (lines[0], lines[-1]))
    assert last < first / 2


def test_vae_learns_and_scales_its_latents(samples, tmp_path):
    twenty = Schedule(20, 1e-2, warmup=0.1, log_every=1)
    recipe = train_vae.VAERecipe(VAE, twenty, twenty, size=40, crop=16)
    vae = train_vae.train_vae(recipe, samples, TrainingContext(out=tmp_path))
    logs = {name: [json.loads(line) for line in (tmp_path / f"{name}.jsonl").open()] for name in ("vae", "decoder")}
    assert logs["vae"][-1]["l1"] < logs["vae"][0]["l1"]
    assert logs["decoder"][-1]["l1"] < logs["decoder"][0]["l1"]
    masks = data.to_input(torch.from_numpy(data.load_pictures(samples, 40).truths)[:, None].float() / 255)
    with torch.inference_mode():
        assert 0.5 < conditioning.encode(vae, masks).std() < 2
    again = train_vae.train_vae(recipe, samples, TrainingContext(out=tmp_path))
    assert all(torch.equal(x, again.state_dict()[name]) for name, x in vae.state_dict().items())


def test_vae_learns_where_the_unet_does(samples, tmp_path, monkeypatch):
    """On the meta device, which mixes with no other; NCCL averages no gradients on a CPU."""
    single, seen = Schedule(1, 1e-3), []
    recipe = train_vae.VAERecipe(VAE, single, single, size=40, crop=16)
    with torch.device("meta"):
        vae = AutoencoderKL(**VAE)
    batch = train_vae._cut_crops(recipe, data.load_pictures(samples, 40), (2, 1, 1), 0)
    for loss in (train_vae._all_losses, train_vae._decoder_losses):
        assert sum(loss(recipe, vae, batch).values()).is_meta

    monkeypatch.setattr(train, "train_vae", lambda *args: seen.append(args[-1].device) or AutoencoderKL(**VAE))
    monkeypatch.setattr(recipes, "read_recipe", lambda *_: recipe)
    context = TrainingContext(out=tmp_path / "out", device="cuda:1")
    train.prepare_checkpoint(TINY, tmp_path / "r.toml", samples, context)
    assert seen == ["cuda:1"]
