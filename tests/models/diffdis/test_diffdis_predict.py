"""The Predictor of DiffDIS: the plain pass, the authors' six, and the options."""

import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.upsampling import Upsample2D
from hashed_weights import GOLDENS, draw, hashed_base, hashed_unet
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

import disbench
from disbench.data.images import read_image
from disbench.data.location import find_dataset
from disbench.errors import InputError, SeveralStates
from disbench.inference import model
from disbench.models._parts.device import fp32_precision
from disbench.models.diffdis import conditioning, layouts, pipeline, predictor, validate, weights
from disbench.models.diffdis.unet import DiffDISUNet
from disbench.registry.loading import get_card
from disbench.runs import api

torch.set_num_threads(1)
MASK_TOLERANCE = 1e-4
HALF_TOLERANCE = 0.005  # three times the mean difference there is


@pytest.fixture(scope="module")
def authors(tmp_path_factory):
    """The authors' U-Net in a file, at size B, and its base."""
    folder = tmp_path_factory.mktemp("authors")
    save_file(hashed_unet("B").state_dict(), folder / "drive.safetensors")
    return str(folder / "drive.safetensors"), str(hashed_base(folder / "base"))


@pytest.fixture
def make(authors, tmp_path, monkeypatch):
    """make(weights, device, **options): on top of disbench's own folder, for images of 64 pixels."""
    loaded = weights.load(*authors)
    weights.save(replace(loaded, prediction_type="v_prediction", size=64), tmp_path / "mini")
    monkeypatch.setattr(predictor, "MINI", tmp_path / "mini")
    card = get_card("diffdis")
    return lambda weights_name=None, device="cpu", **options: predictor.DiffDIS(card, weights_name, device, **options)


def images(count):
    return [(draw(f"image{i}", 50, 70, 3).numpy() * 60 + 128).clip(0, 255).astype(np.uint8) for i in range(count)]


def test_predictor_makes_a_map_of_the_images_size(make):
    model = make()
    x = model.prepare(images(1)[0])
    assert x.shape == (3, 64, 64)
    assert (x.dtype, x.min() >= -1, x.max() <= 1) == (torch.float32, True, True)
    mask = model.restore(model.infer(x[None])[0], (50, 70))
    assert (mask.shape, mask.dtype) == ((50, 70), np.uint8)
    assert mask.min() < 20 < 235 < mask.max()  # stretched


def test_the_average_of_a_file_is_in_title_and_identity_only_where_it_was_chosen(make, authors, tmp_path):
    file, base = authors
    state = load_file(file)
    average = {name: x / 2 if x.is_floating_point() else x for name, x in state.items()}
    torch.save({"model": state, "ema": average}, tmp_path / "both.pt")
    single = make(file, base=base)
    with pytest.warns(SeveralStates, match=r"its model is used; it also has ema; --option state=ema uses the other"):
        plain = make(str(tmp_path / "both.pt"), base=base)
    chosen = make(str(tmp_path / "both.pt"), base=base, state="ema")
    assert plain.identity == single.identity
    assert (single.weights_state, plain.weights_state, chosen.weights_state) == ("", "model", "ema")
    assert chosen.title == "DiffDIS (both.pt, ema)"
    assert chosen.identity["state"] == "ema" and chosen.identity["weights"] != plain.identity["weights"]
    with pytest.raises(InputError, match="--option state=ema: untrained weights are from no file"):
        make("untrained", state="ema")
    with pytest.raises(InputError, match=r"--option state=ema: .*has only one state dict"):
        make(state="ema")


def test_validation_scores_what_a_run_scores(make, tmp_path, make_pairs):
    """Noise included, wherever an image stands among the others."""
    model = make()
    folder = make_pairs(tmp_path / "mine", ["a", "b", "c"])
    result = api.run("diffdis", data=folder, out=tmp_path / "runs", device="cpu")
    checkpoint, samples = model.checkpoint, find_dataset(folder).samples
    scores = validate.score_checkpoint(checkpoint, samples, steps=1)
    assert scores == pytest.approx({key: next(iter(result.scores().values()))[key] for key in scores}, abs=1e-12)
    # Networks in training have other layers, whose masks differ by rounding, before they become levels.
    x = torch.stack([model.prepare(read_image(sample.require_image())) for sample in samples])
    noise, _ = pipeline.seeded_noise((4, 8, 8), predictor.noise_seeds(x, 1)[0])
    masks, _ = pipeline.segment(weights.load(tmp_path / "mini"), x, noise)
    torch.testing.assert_close(predictor.stretch(masks), model.infer(x), rtol=0, atol=5e-6)
    assert validate.score_checkpoint(checkpoint, samples[::-1], steps=1) == pytest.approx(scores, abs=1e-12)


@pytest.mark.parametrize("options", [{}, {"steps": 2}, {"preset": "official"}, {"ensemble": "2"}])
def test_a_mask_depends_on_its_image_alone(make, options):
    model = make(**options)
    batch = torch.stack([model.prepare(image) for image in images(3)])
    together, backwards = model.infer(batch), model.infer(batch.flip(0)).flip(0)
    alone = torch.cat([model.infer(image[None]) for image in batch])
    torch.testing.assert_close(backwards, together, rtol=0, atol=MASK_TOLERANCE)
    torch.testing.assert_close(alone, together, rtol=0, atol=MASK_TOLERANCE)


def test_six_passes_equal_the_authors_script(authors, monkeypatch):
    golden = load_file(GOLDENS / "pipeline.safetensors")
    model = predictor.DiffDIS(get_card("diffdis"), authors[0], "cpu", base=authors[1], preset="official")
    model.size = 256
    noises = iter([golden[f"tta.noise{i}"] for i in range(6)])
    monkeypatch.setattr(predictor, "seeded_noise", lambda *_: (next(noises), []))
    mask, edge = model.maps(model.prepare(golden["tta.img_u8"].numpy())[None], edge=True)
    torch.testing.assert_close(mask, golden["tta.mask_mean"][0], rtol=0, atol=MASK_TOLERANCE)
    torch.testing.assert_close(edge, golden["tta.edge_mean"][0], rtol=0, atol=MASK_TOLERANCE)
    levels = model.restore(mask[0], (300, 200)).astype(int)
    assert np.abs(levels - golden["tta.png_u8_300x200"].numpy()).max() <= 1  # truncation beside a rounding error
    assert (levels == golden["tta.png_u8_300x200"].numpy()).mean() > 0.99


def test_the_folded_decoder_gives_the_same_maps(authors):
    vae, latent = weights.load(*authors).vae, draw("latent", 2, 4, 8, 8)
    with torch.no_grad():
        whole = conditioning.decode(vae, latent)
        conditioning.fold_mean(vae)
        assert vae.decode(latent).sample.shape[1] == 1
        torch.testing.assert_close(conditioning.decode(vae, latent), whole, rtol=0, atol=1e-6)


def test_folded_upsamplings_give_the_same_outputs(authors):
    loaded, latent = weights.load(*authors), draw("latent", 2, 4, 16, 8)
    conditions = tuple(draw(f"scale {k}", 1, 4, 16 >> k, 8 >> k) for k in range(4))

    @torch.no_grad()
    def compute():
        return loaded.unet(latent, 999, conditions, loaded.text), conditioning.decode(loaded.vae, latent)

    plain = compute()
    for network in (loaded.unet, loaded.vae):
        conditioning.fold_upsampling(network)
        upsamplers = [layer for layer in network.modules() if isinstance(layer, Upsample2D)]
        assert len(upsamplers) == 3
        assert all(isinstance(layer.conv, nn.ConvTranspose2d) for layer in upsamplers)
    for folded, expected in zip(compute(), plain, strict=True):
        torch.testing.assert_close(folded, expected, rtol=0, atol=1e-5)


def test_blocks_that_compute_in_place_give_the_same_outputs(authors):
    loaded, latent = weights.load(*authors), draw("latent", 2, 4, 16, 8)
    conditions = tuple(draw(f"scale {k}", 1, 4, 16 >> k, 8 >> k) for k in range(4))
    image, kept = draw("image", 1, 3, 64, 32), latent.clone()

    @torch.inference_mode()
    def compute():
        maps = loaded.unet(latent, 999, conditions, loaded.text), conditioning.decode(loaded.vae, latent)
        return *maps, conditioning.encode(loaded.vae, image)

    plain = compute()
    for network in (loaded.unet, loaded.vae):
        layouts.compute_in_place(network)
    for changed, expected in zip(compute(), plain, strict=True):
        torch.testing.assert_close(changed, expected, rtol=0, atol=1e-5)
    assert torch.equal(latent, kept)
    networks = (loaded.unet, loaded.vae.encoder, loaded.vae.decoder)
    blocks = [layer for network in networks for layer in network.modules() if isinstance(layer, ResnetBlock2D)]
    assert blocks and all(isinstance(block, layouts.InPlaceBlock) for block in blocks)
    assert loaded.unet.conv_act.inplace and loaded.vae.decoder.conv_act.inplace and loaded.vae.encoder.conv_act.inplace


@pytest.mark.parametrize(
    "options",
    [{"time_embedding_norm": "scale_shift"}, {"down": True}, {"skip_time_act": True}, {"output_scale_factor": 2.0}],
)
def test_other_blocks_stay_as_they_are(options):
    block = ResnetBlock2D(in_channels=32, temb_channels=8, **options)
    layouts.compute_in_place(block)
    assert type(block) is ResnetBlock2D


def test_folded_layers_do_not_change_the_number_of_parameters(authors):
    loaded, files = weights.load(*authors), predictor.DiffDIS(get_card("diffdis"), authors[0], "cpu", base=authors[1])
    expected = sum(x.numel() for network in (loaded.unet, loaded.vae) for x in network.parameters())
    assert model.Model(get_card("diffdis"), files).parameters == expected


def test_several_steps_are_those_of_the_stock_scheduler_at_every_row(authors):
    """Two steps written out: 999, then 499, each image's noise for its mask and then for its edges."""
    loaded, image = weights.load(*authors), draw("image", 2, 3, 64, 64).clip(-1, 1)
    noise, generators = pipeline.seeded_noise((4, 8, 8), [1, 2])
    mask, edge = pipeline.segment(loaded, image, noise, pipeline.Sampling(edge=True, steps=2), generators)
    alphas = pipeline.alphas_cumprod()
    at, before = alphas[999], alphas[499]
    _, again = pipeline.seeded_noise((4, 8, 8), [1, 2])
    drawn = torch.cat([torch.randn(1, 4, 8, 8, generator=again[i]) for i in (0, 1, 0, 1)])
    with torch.no_grad():
        scales = conditioning.conditions(loaded.vae, image)
        x_t = noise.repeat(2, 1, 1, 1)
        clean = pipeline.x0(loaded.unet(x_t, 999, scales, loaded.text), x_t, 999, alphas, "epsilon")
        step = at / before  # of the signal's power that is left from 499 to 999
        x_t = before.sqrt() * (1 - step) / (1 - at) * clean + step.sqrt() * (1 - before) / (1 - at) * x_t
        x_t = x_t + ((1 - before) / (1 - at) * (1 - step)).sqrt() * drawn
        clean = pipeline.x0(loaded.unet(x_t, 499, scales, loaded.text), x_t, 499, alphas, "epsilon")
        expected = [conditioning.decode(loaded.vae, half) for half in clean.chunk(2)]
    torch.testing.assert_close(mask, expected[0], rtol=0, atol=MASK_TOLERANCE)
    torch.testing.assert_close(edge, expected[1], rtol=0, atol=MASK_TOLERANCE)


def test_the_schedule_is_stable_diffusions_and_trailing():
    schedule = pipeline.make_scheduler(3, "sample")
    assert schedule.timesteps.tolist() == [999, 666, 332]
    torch.testing.assert_close(schedule.alphas_cumprod, pipeline.alphas_cumprod())
    assert isinstance(schedule, DDPMScheduler)


@pytest.mark.parametrize(("size", "inner"), [((300, 500), (38, 64)), ((500, 50), (64, 6))])
def test_keeping_the_aspect_ratio_pads_with_the_last_row_and_the_last_column(make, size, inner):
    """Padded to the multiple of 64 pixels that the U-Net can halve three times."""
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    x = make(fit="keep").prepare(image)
    resized = np.asarray(Image.fromarray(image).resize(inner[::-1], Image.Resampling.BILINEAR)) / 127.5 - 1
    assert x.shape == (3, 64, 64)
    height, width = inner
    np.testing.assert_allclose(x[:, :height, :width], resized.transpose(2, 0, 1), rtol=0, atol=1e-6)
    assert torch.equal(x[:, height:], x[:, height - 1 : height].expand(-1, 64 - height, -1))
    assert torch.equal(x[:, :, width:], x[:, :, width - 1 : width].expand(-1, -1, 64 - width))


def test_scaled_passes_round_to_the_nearest_size_that_the_unet_can_halve(make, monkeypatch):
    """192 pixels times .75 and 1.25 are 2.25 and 3.75 times 64."""
    model, sides = make(preset="official", size=192), []

    def segment(checkpoint, image, *_):
        sides.append(image.shape[-2:])
        return torch.zeros(len(image), *image.shape[-2:]), None

    monkeypatch.setattr(predictor, "segment", segment)
    assert model.infer(torch.zeros(1, 3, 192, 192)).shape == (1, 192, 192)
    assert sides == [(128, 128), (192, 192), (256, 256)] * 2


def test_the_padding_has_no_part_in_the_stretch(make):
    model, ramp = make(fit="keep"), torch.linspace(0.3, 0.5, 64).repeat(64, 1)
    output = ramp.clone()
    output[38:] = torch.linspace(0, 1, 64)
    mask = model.restore(output, (300, 500))
    assert (mask.min(), mask.max()) == (0, 255)
    ramp[38:] = 0.4
    assert np.array_equal(mask, model.restore(ramp, (300, 500)))


@pytest.mark.parametrize("options", [{}, {"ensemble": 2}])
def test_a_square_has_no_padding(make, options):
    x = make().prepare(np.random.default_rng(0).integers(0, 256, (70, 70, 3), np.uint8))[None]
    keep, square = make(fit="keep", **options), make(**options)
    output = keep.infer(x)[0]
    assert np.array_equal(keep.restore(output, (70, 70)), square.restore(square.infer(x)[0], (70, 70)))


def test_noise_follows_from_the_pixels_before_they_are_scaled(make, monkeypatch):
    """Whose last bits differ from device to device; every pass has its own."""
    model, seeds = make(preset="official", ensemble=2), []
    draw_noise, scale = predictor.seeded_noise, predictor._scale

    def watched_noise(shape, seeds_of_pass):
        seeds.append(seeds_of_pass)
        return draw_noise(shape, seeds_of_pass)

    monkeypatch.setattr(predictor, "seeded_noise", watched_noise)
    batch = torch.stack([model.prepare(image) for image in images(2)])
    copied, cpu = [], torch.Tensor.cpu
    monkeypatch.setattr(torch.Tensor, "cpu", lambda x: copied.append(x) or cpu(x))
    model.infer(batch)
    assert len(copied) == 1  # for all passes
    monkeypatch.setattr(predictor, "_scale", lambda x, size: scale(x, size) * (1 + 1e-6))
    model.infer(batch)
    assert seeds[:12] == seeds[12:]
    assert len({seed for seeds_of_pass in seeds for seed in seeds_of_pass}) == 24
    assert seeds[0] == [zlib.crc32(pixels.tobytes()) for pixels in batch.numpy()]  # as a plain pass


def test_edge_maps_in_place_of_masks(make, authors, tmp_path):
    model, plain = make(output="edge"), make()
    batch = model.prepare(images(1)[0])[None]
    masks, edges = plain.maps(batch, edge=True)
    assert torch.equal(model.infer(batch), edges) and not torch.equal(edges, masks)
    assert (model.title, model.identity) == ("DiffDIS-mini, output edge", plain.identity | {"output": "edge"})

    loaded = weights.load(predictor.MINI)
    alone = DiffDISUNet.from_config(loaded.unet.config, edge=False, interaction="none")
    weights.save(replace(loaded, unet=alone), tmp_path / "alone")
    with pytest.raises(InputError, match="option output=edge: these weights were trained without the edge"):
        make(str(tmp_path / "alone"), output="edge")


def test_binary_maps_are_cut_at_one_half(make):
    output = torch.full((64, 64), 0.49)
    output[:, 20:] = 0.51
    soft, binary = (make(output=kind).restore(output, (64, 64)) for kind in ("soft", "binary"))
    assert [soft[0, 0], soft[0, 63]] == [124, 130]
    assert np.array_equal(binary, np.where(np.arange(64) < 20, 0, 255) * np.ones((64, 1)))
    assert binary.dtype == np.uint8


def test_half_precision_computes_in_half_and_returns_float32_that_is_close(make):
    """The U-Net in float16, the decoder in bfloat16; x0 between them in float32."""
    batch, model = make().prepare(images(1)[0])[None], make(precision="fp16")
    parts = model.checkpoint
    layers = {"encoder": parts.vae.encoder.conv_out, "unet": parts.unet.conv_out, "decoder": parts.vae.decoder.conv_out}
    seen = []
    for name, layer in layers.items():
        layer.register_forward_hook(lambda _, __, result, name=name: seen.append((name, result.dtype)))
    whole, half = make().infer(batch), model.infer(batch)
    assert set(seen) == {("encoder", torch.float16), ("unet", torch.float16), ("decoder", torch.bfloat16)}
    assert half.dtype == torch.float32
    assert 0 < (half - whole).abs().mean() < HALF_TOLERANCE


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction", "sample"])
def test_the_clean_latent_is_computed_in_float32(kind):
    """At t = 999 errors of the noise grow 15 times."""
    output, x_t = (draw(name, 2, 4, 8, 8).half() for name in ("output", "x_t"))
    alphas = pipeline.alphas_cumprod()
    got = pipeline.x0(output, x_t, 999, alphas, kind)
    alpha = alphas[999].double()
    a, b, e, x = alpha.sqrt(), (1 - alpha).sqrt(), output.double(), x_t.double()
    expected = {"epsilon": (x - b * e) / a, "v_prediction": a * x - b * e, "sample": e}[kind]
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, expected.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("options", [{"preset": "official"}, {"steps": 2}, {"fit": "keep"}, {"ensemble": 3}])
def test_options_that_change_maps_change_the_identity_and_the_title(make, options):
    plain, other = make(), make(**options)
    assert plain.identity | options == other.identity != plain.identity
    ((key, value),) = options.items()
    assert (plain.title, other.title) == ("DiffDIS-mini", f"DiffDIS-mini, {key} {value}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": "none"}, r"option steps=none: .*int"),
        ({"steps": "0"}, r"option steps=0: .*>= 1"),
        ({"preset": "offical"}, r"option preset=offical: not one of plain, official"),
        ({"stepps": "2"}, r"unknown option 'stepps'; did you mean steps"),
    ],
)
def test_wrong_options_are_one_line(make, options, message):
    with pytest.raises(InputError, match=message):
        model.load_model("diffdis", None, "cpu", **options)


def test_untrained_is_another_network_and_always_the_same(make):
    once = make("untrained")
    torch.rand(1)  # whatever has been drawn before
    again, mini = make("untrained"), make()
    assert once.identity == again.identity != mini.identity
    assert [model.title for model in (once, mini)] == ["DiffDIS (untrained)", "DiffDIS-mini"]


def test_weights_without_a_size_use_the_cards(authors):
    model = predictor.DiffDIS(get_card("diffdis"), authors[0], "cpu", base=authors[1])
    assert (model.size, model.title) == (1024, "DiffDIS (drive.safetensors)")


def test_device_that_is_not_there(make):
    with pytest.raises(InputError, match="--device cuda:99: not on this machine"):
        make(device="cuda:99")


def test_constant_mask_is_nothing_found():
    assert not predictor.stretch(torch.full((1, 2, 2), 0.7)).any()


@pytest.mark.ci
@pytest.mark.slow
def test_compiled_parts_answer_as_the_plain_ones(monkeypatch):
    """In whole graphs; the compiler's own code is left out for the time that it takes."""
    shipped = {"weights": None, "device": "cpu", "size": 64}
    plain = predictor.DiffDIS(get_card("diffdis"), **shipped)
    seen = []

    def compile(*args, mode):
        seen.append(mode)
        return torch_compile(*args, mode=mode, backend="eager", fullgraph=True)

    torch_compile = torch.compile
    monkeypatch.setattr(torch, "compile", compile)
    compiled = predictor.DiffDIS(get_card("diffdis"), **shipped, compile="default")
    assert seen == ["default"] * 2 and compiled.title == "DiffDIS-mini, compile default, size 64"
    batch = plain.prepare(images(1)[0])[None]
    torch.compiler.reset()
    torch._dynamo.utils.counters.clear()
    torch.testing.assert_close(compiled.infer(batch), plain.infer(batch), rtol=0, atol=1e-4)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 2  # else it would be compiled in name alone


def test_blocks_of_tf32_may_end_in_any_order():
    before = torch.get_float32_matmul_precision()
    for first in (0, 1):
        blocks = [fp32_precision(tf32=True), fp32_precision(tf32=False)]
        for block in blocks:
            block.__enter__()
        assert torch.get_float32_matmul_precision() == "highest"
        blocks[first].__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == ("high" if first else "highest")
        blocks[1 - first].__exit__(None, None, None)
        assert torch.get_float32_matmul_precision() == before


def test_a_base_that_is_not_used_is_refused():
    with pytest.raises(InputError, match=r"--option base=elsewhere: these weights have a VAE and prompt of their own"):
        disbench.load("diffdis", device="cpu", base="elsewhere")
    # Commands that have one base for several weights.
    assert predictor.DiffDIS(get_card("diffdis"), None, "cpu", "elsewhere", state=None).title == "DiffDIS-mini"


def test_tf32_holds_while_it_predicts_alone(make, monkeypatch):
    seen, segment = [], predictor.segment

    def watched(*args, **options):
        seen.append(torch.get_float32_matmul_precision())
        return segment(*args, **options)

    monkeypatch.setattr(predictor, "segment", watched)
    for precision, inside in (("tf32", "high"), ("fp32", "highest")):
        model = make(precision=precision)
        assert torch.get_float32_matmul_precision() == "highest"
        model.infer(model.prepare(images(1)[0])[None])
        assert torch.get_float32_matmul_precision() == "highest"
        assert seen.pop() == inside
