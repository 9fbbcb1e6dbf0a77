"""LawDIS' training: its losses against slow formulas, its start from Stable Diffusion, and its folder for `run`."""

import json
from functools import partial

import cv2
import numpy as np
import pytest
import tiny_genpercept
import tiny_lawdis as tiny
import torch
from command import call
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import load_file

import disbench
from disbench.data.images import read_image, read_map
from disbench.models._training import supervised
from disbench.models._training.context import TrainingContext
from disbench.models._training.losses import structure
from disbench.models._training.schedule import Schedule
from disbench.models.lawdis import start, train
from disbench.models.lawdis.train import Training, cut_windows, find_objects
from disbench.models.lawdis.weights import load_networks

torch.set_num_threads(1)
SIZE = 64
FILE = "diffusion_pytorch_model.safetensors"
PROMPTS = {"a": "", "b": "a disc", "c": "a dark feline", "d": "a leaf"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write_folder(tmp_path_factory.mktemp("lawdis") / "stable-diffusion-2")


@pytest.fixture
def training(folder):
    opened = Training()
    opened.open_folder(str(folder))
    return opened


def drawn(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


MASKS = torch.zeros(2, 1, SIZE, SIZE)
MASKS[0, 0, 8:40, 16:32] = MASKS[1, 0, 48:, :] = 1
IMAGES = (drawn(2, 3, SIZE, SIZE) + MASKS) / 2


def enlarge(x, box):
    """Cut a box in pixels out of (c, h, w) and enlarge it with OpenCV."""
    x0, y0, x1, y1 = box
    part = x[:, y0:y1, x0:x1].permute(1, 2, 0).numpy()
    large = cv2.resize(part, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR).reshape(SIZE, SIZE, -1)
    return torch.from_numpy(large).permute(2, 0, 1)


def test_the_window_is_the_smallest_that_holds_the_object():
    boxes = find_objects(torch.cat((MASKS, MASKS[:1] * 0)))
    assert (boxes * SIZE).tolist() == [[16, 8, 32, 40], [0, 48, 64, 64], [0, 0, 64, 64]]
    inner = slice(4, -4)  # at its border a window is mixed with what is next to it
    for x, (image, box) in zip(cut_windows(IMAGES, find_objects(MASKS)), zip(IMAGES, boxes, strict=False), strict=True):
        expected = enlarge(image, [round(v) for v in (box * SIZE).tolist()])
        torch.testing.assert_close(x[:, inner, inner], expected[:, inner, inner], rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["v_prediction", "epsilon", "sample"])
def test_the_unet_learns_the_noise_in_both_modes(training, kind, monkeypatch):
    """Against the formulas of diffusion, picture by picture; the windows have the empty prompt."""
    networks = training.networks
    networks.scheduler.register_to_config(prediction_type=kind)
    seen = []
    networks.unet.register_forward_pre_hook(lambda _, args, kwargs: seen.append((args, kwargs)), with_kwargs=True)
    noises = []
    draw = train.draw_noise
    monkeypatch.setattr(train, "draw_noise", lambda *args: noises.append(draw(*args)) or noises[-1])
    torch.manual_seed(5)
    prompts = ["a disc", "a leaf"]
    with torch.no_grad():
        parts = training.losses(networks.unet, IMAGES, MASKS, prompt=prompts)
    ((received, times), options), [noise] = seen[0], noises
    windows = cut_windows(torch.cat((IMAGES, MASKS), 1), find_objects(MASKS))
    pictures = [*torch.cat((IMAGES, MASKS), 1), *windows]
    modes = [(0, 1), (0, 1), (1, 0), (1, 0)]
    texts = [*prompts, "", ""]
    assert times.tolist()[:2] == times.tolist()[2:]
    signal = networks.scheduler.alphas_cumprod
    errors = []
    with torch.no_grad():
        for i, (picture, mode, text) in enumerate(zip(pictures, modes, texts, strict=True)):
            image, mask = picture[None, :3] * 2 - 1, picture[None, 3:].repeat(1, 3, 1, 1) * 2 - 1
            a, b = signal[times[i]].sqrt(), (1 - signal[times[i]]).sqrt()
            condition, target = (networks.vae.encode_image(x)[0] for x in (image, mask))
            both = torch.cat((condition, a * target + b * noise[i : i + 1]), 1)
            torch.testing.assert_close(received[i : i + 1], both, rtol=1e-4, atol=1e-4)
            mode = torch.tensor([mode], dtype=torch.float32)
            label = torch.cat((mode.sin(), mode.cos()), 1)
            torch.testing.assert_close(options["class_labels"][i : i + 1], label)
            text = networks.embed(networks.split_prompt(text)[None])
            output = networks.unet(both, times[i], encoder_hidden_states=text, class_labels=label).sample
            wanted = {"v_prediction": a * noise[i] - b * target, "epsilon": noise[i], "sample": target}[kind]
            errors.append(((output - wanted) ** 2).mean().item())
    expected = {"macro": np.mean(errors[:2]), "micro": np.mean(errors[2:])}
    assert {name: loss.item() for name, loss in parts.items()} == pytest.approx(expected, rel=1e-3)


def test_noise_is_stronger_at_low_frequencies_the_later_the_time():
    torch.manual_seed(0)
    shape = torch.Size((2, 4, 64, 64))
    noise = train.draw_noise(shape, torch.tensor([0.0, 1.0]))
    assert noise.std().item() == pytest.approx(1, abs=1e-3)
    low = torch.nn.functional.avg_pool2d(noise, 8).var((1, 2, 3)) / noise.var((1, 2, 3))
    assert low[0] < 0.03 and low[1] > 0.1


def test_the_decoder_learns_what_a_step_from_noise_leaves(training, monkeypatch):
    """By F3Net's loss; a picture is whole with its prompt, or its window with the empty one."""
    training.finished("unet", training.networks.unet)
    networks = training.networks
    net = training.network("vae", SIZE)
    torch.manual_seed(2)
    micro = (torch.rand(2) < 0.5).tolist()
    calls = []
    take_step = type(networks).take_step
    monkeypatch.setattr(type(networks), "take_step", lambda self, *a: calls.append(a) or take_step(self, *a))
    torch.manual_seed(2)
    prompts = ["a disc", "a leaf"]
    loss = training.losses(net, IMAGES, MASKS, prompt=prompts)["map"]
    [(images, noise, text, modes)] = calls
    assert noise.std().item() == pytest.approx(1, abs=0.1)
    expected = []
    for i, is_micro in enumerate(micro):
        picture = torch.cat((IMAGES, MASKS), 1)[i : i + 1]
        if is_micro:
            picture = cut_windows(picture, find_objects(MASKS[i : i + 1]))
        torch.testing.assert_close(images[i : i + 1], picture[:, :3] * 2 - 1)
        assert modes[i].tolist() == ([1, 0] if is_micro else [0, 1])
        embedded = networks.embed(networks.split_prompt("" if is_micro else prompts[i])[None])
        torch.testing.assert_close(text[i : i + 1], embedded)
        arguments = (images[i : i + 1], noise[i : i + 1], embedded, modes[i : i + 1])
        with torch.no_grad():
            logits = networks.vae.decode_map(*take_step(networks, *arguments))
        expected.append(structure(logits[:, None], picture[:, 3:]).item())
    assert loss.item() == pytest.approx(np.mean(expected), rel=1e-3)
    loss.backward()
    learned = {name for name, x in net.named_parameters() if x.grad is not None and x.grad.any()}
    assert {name.partition(".")[0] for name in learned} == {"decoder", "post_quant_conv"}
    assert not any(x.requires_grad for x in networks.unet.parameters())


# -- Start


def write_diffusion(folder):
    """Write Stable Diffusion 2's folder with small networks."""
    base = tiny_genpercept.write_base(folder)
    unet, _ = tiny_genpercept.build_networks()
    unet.save_pretrained(base / "unet")
    DDIMScheduler(**tiny.SCHEDULER | {"timestep_spacing": "leading"}).save_pretrained(base / "scheduler")
    return base


def test_it_starts_from_stable_diffusion_as_in_the_paper(tmp_path):
    base = write_diffusion(tmp_path / "sd2")
    networks = start.load_start(base)
    unet = UNet2DConditionModel.from_pretrained(base / "unet").state_dict()
    vae = AutoencoderKL.from_pretrained(base / "vae").state_dict()
    wide, decoder = networks.unet.state_dict(), networks.vae.state_dict()
    torch.testing.assert_close(wide["conv_in.weight"], torch.cat((unet["conv_in.weight"],) * 2, 1) / 2)
    torch.testing.assert_close(decoder["decoder.conv_out.weight"][0], vae["decoder.conv_out.weight"].mean(0))
    torch.testing.assert_close(decoder["decoder.conv_out.bias"][0], vae["decoder.conv_out.bias"].mean())
    assert all(torch.equal(wide[name], x) for name, x in unet.items() if name != "conv_in.weight")
    assert all(torch.equal(decoder[name], x) for name, x in vae.items() if "decoder.conv_out" not in name)
    assert {name.partition(".")[0] for name in wide.keys() - unet.keys()} == {"class_embedding"}
    assert all("conv_fuse_up" in name for name in decoder.keys() - vae.keys())
    assert networks.scheduler.timesteps.tolist() == [999]
    again = start.load_start(base)
    assert all(torch.equal(x, again.unet.state_dict()[name]) for name, x in wide.items())


def test_it_needs_a_folder_to_start_from(folder, tmp_path, make_pairs):
    data = make_pairs(tmp_path / "mine", ["a"])
    (tmp_path / "p.jsonl").write_text('{"image": "a", "prompt": ""}')
    command = ("train", "--model", "lawdis", "--data", data, "--input", f"prompt={tmp_path / 'p.jsonl'}")
    command += ("--size", "64", "--steps", "1", "--batch", "2", "--out", tmp_path / "out", "--device", "cpu")
    for more, message in (
        ((), "LawDIS is trained from Stable Diffusion 2; give its folder, or LawDIS', by --weights DIR"),
        (("--weights", tmp_path / "mine"), "mine: has no unet/config.json; give the folder stable-diffusion-2"),
        (("--weights", folder, "--backbone", "x.pth"), "--backbone: this network has no backbone"),
    ):
        refused = call(*command, *more)
        assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1), refused.output
        assert message in refused.stderr
        assert not (tmp_path / "out" / "unet.jsonl").exists()


# -- Whole trainings


def train_lawdis(folder, tmp_path, make_pairs, out, **more):
    data = tmp_path / "mine"
    if not data.exists():
        make_pairs(data, PROMPTS)
        lines = (json.dumps({"image": name, "prompt": prompt}) for name, prompt in PROMPTS.items())
        (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    options = {"--size": 64, "--steps": 3, "--batch": 2, "--lr": 1e-3, "--weights": folder, "--device": "cpu"} | more
    options |= {"--data": data, "--input": f"prompt={tmp_path / 'prompts.jsonl'}", "--out": out}
    return call("train", "--model", "lawdis", *(text for pair in options.items() for text in pair))


def test_the_folder_that_it_writes_is_run_at_its_size(folder, tmp_path, make_pairs):
    done = train_lawdis(folder, tmp_path, make_pairs, tmp_path / "out")
    assert done.exit_code == 0, done.output
    written = tmp_path / "out" / "lawdis"
    assert f"disbench run --model lawdis --weights {written} --input prompt=FILE.jsonl" in done.output.replace("\n", "")
    model = disbench.load("lawdis", str(written), "cpu")
    assert model.title == "LawDIS (lawdis, size 64)" and model.identity["size"] == "64"
    networks, before = load_networks(written), load_networks(folder)
    for name, frozen in (("unet", ()), ("vae", ("encoder.", "quant_conv."))):
        old, new = (getattr(each, name).state_dict() for each in (before, networks))
        kept = {key for key, x in old.items() if torch.equal(x, new[key])}
        assert all(key in kept for key in old if frozen and key.startswith(frozen))
        assert len(kept) < len(old)
    assert all(torch.equal(x, networks.text.state_dict()[key]) for key, x in before.text.state_dict().items())
    image = read_image(tmp_path / "mine" / "im" / "a.jpg")
    ran = disbench.run(
        "lawdis", weights=written, device="cpu", data=tmp_path / "mine", inputs={"prompt": tmp_path / "prompts.jsonl"},
        out=tmp_path / "runs",
    )
    [row] = [row for row in ran.rows["mine"] if row.name == "a"]
    assert np.array_equal(read_map(ran.mask(row)), model.predict(image, prompt=""))


@pytest.mark.slow
@pytest.mark.ci
def test_a_training_that_was_cut_off_ends_with_the_same_weights(folder, tmp_path, make_pairs, monkeypatch):
    monkeypatch.setattr(supervised, "Schedule", partial(Schedule, checkpoint_every=1))
    assert train_lawdis(folder, tmp_path, make_pairs, tmp_path / "whole").exit_code == 0

    def stop(done, total, label):
        if label.startswith("vae") and done == 2:
            raise KeyboardInterrupt

    recipe = supervised.Recipe(steps=3, size=64, batch=2, lr=1e-3, weights=str(folder))
    inputs = {"prompt": str(tmp_path / "prompts.jsonl")}
    with pytest.raises(KeyboardInterrupt):
        supervised.train_model(
            "lawdis", recipe, str(tmp_path / "mine"),
            TrainingContext(out=tmp_path / "cut", device="cpu", progress=stop), inputs=inputs,
        )
    assert not (tmp_path / "cut" / "lawdis" / "vae" / FILE).exists()
    prompts = (tmp_path / "prompts.jsonl").read_text()
    (tmp_path / "prompts.jsonl").write_text(prompts.replace("a disc", "a dish"))
    refused = train_lawdis(folder, tmp_path, make_pairs, tmp_path / "cut")
    assert refused.exit_code == 2 and "Traceback" not in refused.output
    assert "trained with other inputs; give the --input that it started with, or another --out" in refused.stderr
    (tmp_path / "prompts.jsonl").write_text(prompts)
    assert train_lawdis(folder, tmp_path, make_pairs, tmp_path / "cut").exit_code == 0
    for stage in ("unet", "vae"):
        whole, cut = (load_file(tmp_path / name / "lawdis" / stage / FILE) for name in ("whole", "cut"))
        assert whole.keys() == cut.keys() and all(torch.equal(whole[key], cut[key]) for key in whole)


def test_a_prediction_follows_the_prompt_of_its_image(training):
    net = training.networks.vae.eval()
    with torch.inference_mode():
        maps = [training.predict(net, IMAGES, prompt=prompts) for prompts in (["", ""], ["a disc", ""])]
    assert not torch.equal(maps[0][0], maps[1][0]) and torch.equal(maps[0][1], maps[1][1])
