"""LawDIS' two modes against what its authors' own pipelines answer, in tests/goldens/lawdis."""

import hashlib
import json
import shutil

import numpy as np
import pytest
import tiny_lawdis as tiny
import torch
from command import call
from diffusers import AutoencoderKL, DDIMScheduler, EulerDiscreteScheduler, UNet2DConditionModel
from filled_weights import GOLDENS, checkpoint, probe_image, probe_logits, probe_photo, read_keys
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from disbench.data.images import read_image, read_map
from disbench.doctor.adapter import check_batch, check_infer, check_prepare, check_restore
from disbench.errors import InputError
from disbench.inference.model import load_model
from disbench.models.lawdis import steps, weights
from disbench.models.lawdis.network import TEXT, UNET, VAE, FusingVAE, Networks
from disbench.models.lawdis.steps import Window
from disbench.registry.loading import get_card

ANSWERS = np.load(GOLDENS / "lawdis" / "answers.npz")
KEYS = read_keys(GOLDENS / "lawdis" / "keys.json.gz")
SMALL = probe_photo("lawdis", 90, 120)
PHOTO = probe_photo("protocol", 1500, 2100)
EARLIER = tiny.draw_map(*PHOTO.shape[:2])
PROMPT = "a dark feline in a basin"
FILE = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.write_folder(tmp_path_factory.mktemp("lawdis") / "stable-diffusion-2")


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def load(folder, **options):
    return load_model("lawdis", str(folder), "cpu", **{"size": "64"} | options)


# -- Whole pipelines of small networks


@pytest.mark.parametrize(
    ("name", "prompt", "seed"),
    [("prompt", PROMPT, 0), ("empty", "", 0), ("seed", PROMPT, 7), ("long", PROMPT * 20, 0)],
)
def test_maps_of_the_macro_mode_are_those_of_the_authors(folder, name, prompt, seed):
    assert_levels(predict(load(folder, seed=seed), SMALL, prompt), ANSWERS[f"map_{name}"])


def test_prompts_and_seeds_change_the_authors_maps():
    """Without which the test above would show nothing of them."""
    maps = [ANSWERS[f"map_{name}"] for name in ("prompt", "empty", "seed", "long")]
    assert len({levels.tobytes() for levels in maps}) == 4


def test_windows_of_the_micro_mode_are_answered_as_by_the_authors(folder):
    model = load(folder).predictor
    earlier = tiny.draw_map(*SMALL.shape[:2])
    windows = steps.find_windows(earlier, 64)
    assert np.array_equal(authors_form(windows), ANSWERS["small_windows"])
    answers = answer_micro(model.networks, SMALL, earlier, windows, (64, 64))
    assert len(answers) == len(ANSWERS["small_patches"]) > 1
    for answer, expected in zip(answers, ANSWERS["small_patches"], strict=True):
        assert np.abs(answer - expected).max() < 255e-4


def test_windows_around_the_edges_of_the_own_map_are_refined(folder, monkeypatch):
    """The networks of this test answer with levels that are neither grey nor the reverse of the map."""
    predictor = load(folder, windows="auto").predictor
    calls = []

    def segment(self, images, noise, text):
        return torch.linspace(-90, 90, 64).expand(1, 64, 64)  # black to white, with a soft edge in the middle

    def refine(self, image, earlier, text):
        assert image.shape == (1, 3, 64, 64) and earlier.shape == (1, 1, 64, 64) and text.shape == (1, 77, 32)
        calls.append(earlier)
        return torch.linspace(-900, 900, 64).expand(1, 64, 64)

    monkeypatch.setattr(Networks, "segment", segment)
    monkeypatch.setattr(Networks, "refine", refine)
    output = infer(predictor, SMALL, "")[0]
    assert output.shape == SMALL.shape[:2] and output.dtype == torch.float32
    assert len(calls) == 1
    before = steps.restore(segment(None, None, None, None)[0].sigmoid(), SMALL.shape[:2])
    restored = predictor.restore(output, SMALL.shape[:2])
    grey = [int(((levels > 5) & (levels < 250)).sum()) for levels in (before, restored)]
    assert grey[1] < grey[0] / 2


def test_a_map_without_edges_is_not_refined(folder, monkeypatch):
    predictor = load(folder, windows="auto").predictor
    monkeypatch.setattr(Networks, "segment", lambda *arguments: torch.full((1, 64, 64), 9.0))
    monkeypatch.setattr(Networks, "refine", None)
    assert (predictor.restore(infer(predictor, SMALL, "")[0], (90, 120)) == 254).all()


def predict(model, image, prompt):
    return model.predictor.restore(infer(model.predictor, image, prompt)[0], image.shape[:2])


def infer(predictor, image, prompt):
    return predictor.infer(tuple(array[None] for array in predictor.prepare(image, prompt=prompt)))


def answer_micro(networks, image, levels, windows, size, batch=1):
    """Answer windows of an image, uint8 (h, w, 3) or float32 (3, h, w) in [-1, 1], as the predictor does."""
    if isinstance(image, np.ndarray):
        image = steps.normalise(torch.from_numpy(image).permute(2, 0, 1).float())
    earlier = steps.normalise(torch.from_numpy(levels).float()[None])
    parts = [[steps.cut_window(x, window, size) for window in windows] for x in (image, earlier)]
    text = networks.embed(networks.split_prompt("")[None])
    answers = []
    with torch.inference_mode():
        for first in range(0, len(windows), batch):
            images, maps = (torch.cat(x[first : first + batch]) for x in parts)
            logits = networks.refine(images, maps, text.expand(len(images), -1, -1))
            answers.extend((logits.sigmoid() * 255).numpy())
    return answers


def assert_levels(levels, expected):
    """Summing in another order may carry a level over the edge that truncating has."""
    assert levels.shape == expected.shape
    away = np.abs(levels.astype(int) - expected)
    assert away.max() <= 1 and away.mean() < 0.01


# -- The VAE at full width


@pytest.fixture(scope="module")
def full():
    """The VAE at full width, with a small U-Net, and an image."""
    vae = FusingVAE(**VAE).eval()
    vae.load_state_dict(checkpoint({name: KEYS[name] for name in vae.state_dict()}, gain=1.0))
    unet = UNet2DConditionModel(**tiny.UNET | {"layers_per_block": 2, "attention_head_dim": [4, 8], "sample_size": 8})
    unet.load_state_dict(checkpoint({name: list(x.shape) for name, x in unet.state_dict().items()}, gain=1.0))
    scheduler = DDIMScheduler(**tiny.SCHEDULER)
    scheduler.set_timesteps(1)
    return Networks(unet.eval(), vae, scheduler)


@pytest.mark.slow  # a VAE of 96 million parameters
@torch.inference_mode()
def test_the_vae_at_full_width_answers_as_the_authors(full):
    image = probe_image("lawdis", 64, 96) / 4
    latent, features = full.vae.encode_image(image)
    assert_close(latent, ANSWERS["moments"][:, :4] * 0.18215)
    # `decoded` is of a latent that was scaled before.
    assert_close(full.vae.decode_map(probe_image("lawdis_z", 8, 12, 4) * 0.18215, features), ANSWERS["decoded"][:, 0])


@pytest.mark.slow
@torch.inference_mode()
def test_both_modes_at_full_width_answer_as_the_authors(full, monkeypatch):
    image = probe_image("lawdis", 64, 96) / 4
    noted = {}
    full.unet.register_forward_hook(lambda module, inputs, output: noted.update(unet=output.sample))
    logits = full.segment(image, probe_image("lawdis_noise", 8, 12, 4), probe_image("lawdis_text", 77, 32, 1)[0])
    assert_close(noted["unet"], ANSWERS["macro_unet_output"])
    assert_close(logits, ANSWERS["macro_logits"][:, 0])
    assert_close(logits.sigmoid(), ANSWERS["macro_map"][:, 0])
    monkeypatch.setattr(Networks, "embed", lambda self, tokens: probe_image("lawdis_empty", 77, 32, 1)[0])
    levels = (probe_logits("lawdis_result", 64, 96)[0, 0].double().sigmoid() * 255).numpy().astype(np.uint8)
    windows = [Window(0, 0, 64, 64), Window(20, 8, 50, 40), Window(40, 10, 56, 54)]
    answers = answer_micro(full, image[0], levels, windows, (64, 64), batch=2)
    assert_close(torch.from_numpy(np.stack(answers)), ANSWERS["micro_patches"])
    assert np.array_equal(steps.merge_windows(levels, answers, windows), levels)  # all grey, so refused


def test_the_vae_has_the_authors_keys_and_shapes():
    with torch.device("meta"):
        state = FusingVAE(**VAE).state_dict()
    named_twice = {name for name in KEYS if "fuse_up_" in name}
    assert len(named_twice) == 8
    assert {name: list(x.shape) for name, x in state.items()} == {
        name: shape for name, shape in KEYS.items() if name not in named_twice
    }


def assert_close(output, expected):
    """The authors' code itself differs by 3e-6 of the largest value in another order of summing."""
    expected = torch.from_numpy(expected)
    assert output.shape == expected.shape
    assert (output - expected).abs().max() <= 1e-4 * expected.abs().max()


# -- Runs


def test_a_run_needs_prompts_and_saves_the_maps_of_its_prompts(folder, tmp_path, make_pairs):
    data = make_pairs(tmp_path / "mine", ["a", "b"])
    lines = ('{"img": "mine/im/a.jpg", "prompt": ""}', '{"img": "mine/im/b.jpg", "prompt": "a disc"}')
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    options = ("--option", "size=64", "--device", "cpu", "--out", tmp_path / "runs")
    command = ("run", "--model", "lawdis", "--weights", folder, "--data", data, *options)
    refused = call(*command)
    assert refused.exit_code == 2
    assert "LawDIS (stable-diffusion-2, size 64) needs prompt for each image; add --input prompt=" in refused.output
    done = call(*command, "--input", f"prompt={tmp_path / 'prompts.jsonl'}")
    assert done.exit_code == 0, done.output
    maps = {path.stem: read_map(path) for path in (tmp_path / "runs" / "lawdis").glob("*/masks/mine/*.png")}
    model = load(folder)
    for name, prompt in (("a", ""), ("b", "a disc")):
        image = read_image(data / "im" / f"{name}.jpg")
        assert np.array_equal(maps[name], model.predict(image, prompt=prompt))
        assert not np.array_equal(maps[name], model.predict(image, prompt="a dark feline"))


def test_doctor_finds_no_fault_of_either_mode(folder):
    image = np.ascontiguousarray(SMALL[:37, :53])
    for windows in ("none", "auto"):
        model = load(folder, windows=windows)
        for check in (check_prepare, check_infer, check_restore, check_batch):
            assert check(model, [(image, np.zeros((37, 53), np.uint8))])


# -- Steps


def test_the_networks_are_fed_what_the_authors_feed():
    prepared = steps.prepare(PHOTO, (1024, 1024))
    assert prepared.shape == (3, 1024, 1024)
    assert np.abs(prepared[:, ::16, ::16].numpy() - ANSWERS["input"]).max() <= 1e-6


def test_the_saved_map_is_that_of_the_authors():
    saved = steps.restore(probe_logits("lawdis", 1024, 1024)[0, 0].sigmoid(), PHOTO.shape[:2])
    assert np.array_equal(saved[::12, ::12], ANSWERS["saved"])
    assert hash_levels(saved) == str(ANSWERS["saved_sha256"])


@pytest.mark.parametrize(("side", "height", "width"), [(1024, 1500, 2100), (512, 1500, 2100), (128, 400, 560)])
def test_windows_are_those_of_the_authors(side, height, width):
    windows = steps.find_windows(tiny.draw_map(height, width), side)
    assert len(windows) > 1
    assert np.array_equal(authors_form(windows), ANSWERS[f"windows{side}"])


def test_windows_are_put_back_as_by_the_authors():
    windows = [Window(*corner, *size) for corner, size in ANSWERS["windows512"].tolist()]
    answers = tiny.answer_windows(EARLIER, ANSWERS["windows512"].tolist())
    merged = steps.merge_windows(EARLIER, answers, windows)
    assert np.array_equal(merged[::12, ::12], ANSWERS["merged"])
    assert hash_levels(merged) == str(ANSWERS["merged_sha256"])
    assert (merged != EARLIER).any()


def test_no_window_is_looked_for_more_than_fifty_times():
    dots = np.zeros((90, 900), np.uint8)
    dots[40:50, 5::15] = 255  # 60 of them
    assert len(steps.find_windows(dots, 12)) <= 50
    assert steps.find_windows(np.zeros((30, 40), np.uint8)) == []
    assert steps.find_windows(np.full((30, 40), 90, np.uint8)) == []


@pytest.mark.parametrize(
    ("before", "answer", "expected"),
    [
        (np.zeros((8, 10)), np.full((8, 10), 255), 0),  # mostly black becomes mostly white
        (np.full((8, 10), 255), np.zeros((8, 10)), 255),  # and the reverse
        (np.full((8, 10), 128), np.zeros((8, 10)), 0),
        (np.full((8, 10), 128), np.full((8, 10), 250), 250),  # 250 is not grey
        (np.full((8, 10), 128), np.full((8, 10), 249), 128),
        (np.full((8, 10), 128), np.full((8, 10), 5), 5),
        (np.full((8, 10), 255), np.full((8, 10), 254.9), 254),  # truncated
    ],
)
def test_answers_are_refused_by_the_authors_rules(before, answer, expected):
    window = Window(2, 1, 10, 8)
    levels = np.full((12, 14), 77, np.uint8)
    levels[window.region] = before
    merged = steps.merge_windows(levels, [answer.astype(np.float32)], [window])
    assert (merged[window.region] == expected).all()
    merged[window.region] = 77
    assert (merged == 77).all()


def test_of_overlapping_windows_the_first_counts():
    levels = np.full((8, 12), 128, np.uint8)
    answers = [np.full((8, 8), level, np.float32) for level in (255, 0)]
    merged = steps.merge_windows(levels, answers, [Window(0, 0, 8, 8), Window(4, 0, 8, 8)])
    assert merged[0].tolist() == [255] * 8 + [0] * 4


def authors_form(windows):
    return np.array([[[window.left, window.top], [window.width, window.height]] for window in windows])


def hash_levels(levels):
    return hashlib.sha256(np.ascontiguousarray(levels).tobytes()).hexdigest()


# -- Identity and card


def test_identities_and_titles_tell_weights_seeds_windows_and_sizes(folder, copy):
    state = load_file(copy / "unet" / FILE)
    state["conv_in.bias"] += 1
    save_file(state, copy / "unet" / FILE)
    scheduler = copy / "scheduler" / "scheduler_config.json"
    models = [load(folder), load(folder, seed=1), load(folder, windows="auto"), load(folder, size="128"), load(copy)]
    scheduler.write_text(scheduler.read_text().replace("v_prediction", "epsilon"))
    models.append(load(copy))
    assert len({json.dumps(model.identity, sort_keys=True) for model in models}) == len(models)
    assert models[0].identity["seed"] == 0
    assert models[0].title == "LawDIS (stable-diffusion-2, size 64)"
    assert models[1].title == "LawDIS (stable-diffusion-2, seed 1, size 64)"
    assert models[2].title == "LawDIS (stable-diffusion-2, windows auto, size 64)"


def test_the_form_of_the_files_changes_no_identity(folder, copy):
    """One name of each fusing convolution, and torch's own format."""
    state = {name: x for name, x in load_file(copy / "vae" / FILE).items() if "fuse_up." not in name}
    (copy / "vae" / FILE).unlink()
    torch.save(state, copy / "vae" / "diffusion_pytorch_model.bin")
    assert load(copy).identity == load(folder).identity


def test_the_card_counts_the_parameters_of_all_parts():
    with torch.device("meta"):
        parts = UNet2DConditionModel(**UNET), FusingVAE(**VAE), CLIPTextModel(CLIPTextConfig(**TEXT))
    assert get_card("lawdis").parameters == sum(p.numel() for part in parts for p in part.parameters())


def test_untrained_is_the_same_every_time(monkeypatch):
    for name, small in (("UNET", tiny.UNET), ("VAE", tiny.VAE)):
        monkeypatch.setattr(weights, name, small)
    first, again = (load("untrained") for _ in range(2))
    assert first.identity == again.identity
    assert np.array_equal(predict(first, SMALL, ""), predict(again, SMALL, PROMPT))
    assert first.title == "LawDIS (untrained, size 64)"


# -- Faults


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"seed": "-1"}, "--option seed=-1: must be a whole number"),
        ({"seed": str(2**63)}, "must be a whole number from 0 to"),
        ({"windows": "semi-auto"}, "unknown windows 'semi-auto'; "),
        ({"size": "100"}, "--option size=100: must be pixels per side, a multiple of 64"),
    ],
)
def test_wrong_options_are_named(folder, options, fault):
    with pytest.raises(InputError, match=fault):
        load(folder, **options)


def test_a_missing_part_is_named_with_the_place_to_get_it(copy, tmp_path):
    (copy / "vae" / FILE).rename(copy / "vae" / "model.ckpt")
    with pytest.raises(InputError, match=rf"copy/vae: has no {FILE} or .*\.bin; .*https://drive\.google"):
        load(copy)
    shutil.rmtree(copy / "tokenizer")
    with pytest.raises(InputError, match=r"copy: has no tokenizer/vocab\.json; give the folder .*https://drive\.google"):
        load(copy)
    with pytest.raises(InputError, match="absent: is no folder; give the folder stable-diffusion-2"):
        load(tmp_path / "absent")
    with pytest.raises(InputError, match="stable-diffusion-2: no such file; get stable-diffusion-2 by hand from"):
        load("stable-diffusion-2")


def test_stable_diffusion_itself_and_other_parts_are_refused_in_one_line(copy):
    """The last change is checked first."""
    config = CLIPTextConfig.from_pretrained(copy / "text_encoder")
    config.hidden_size = config.intermediate_size = 16
    CLIPTextModel(config).save_pretrained(copy / "text_encoder")
    assert_refused(copy, "text_encoder: its embeddings have 16 channels, and the U-Net takes 32")
    EulerDiscreteScheduler().save_pretrained(copy / "scheduler")
    assert_refused(copy, "not LawDIS' scheduler: its _class_name is 'EulerDiscreteScheduler' instead of 'DDIMSched")
    AutoencoderKL(**tiny.VAE | {"out_channels": 3}).save_config(copy / "vae")
    assert_refused(copy, "not LawDIS' vae: its out_channels is 3 instead of 1")
    UNet2DConditionModel(**tiny.CONFIGS["unet"]).save_config(copy / "unet")
    assert_refused(copy, "not LawDIS' unet: its in_channels is 4 instead of 8")


def test_a_vae_without_fusing_convolutions_is_refused(copy):
    state = load_file(copy / "vae" / FILE)
    save_file({name: x for name, x in state.items() if "fuse" not in name}, copy / "vae" / FILE)
    assert_refused(copy, r"not the weights of this FusingVAE; 8 tensors differ: decoder\.conv_fuse_up\.0\.bias is mis")
    state["decoder.conv_fuse_up_2.bias"] += 1
    save_file(state, copy / "vae" / FILE)
    assert_refused(copy, r"has two values of decoder\.conv_fuse_up\.2\.bias; get the file again")


def assert_refused(folder, fault):
    with pytest.raises(InputError, match=fault) as caught:
        load(folder)
    assert "\n" not in str(caught.value)
