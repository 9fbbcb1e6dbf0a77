"""A tokenizer that is not that of the text encoder is refused wherever a prompt is embedded or copied."""

import json
import shutil

import pytest
import tiny_genpercept
import tiny_lawdis
import torch
from hashed_weights import hashed_base, hashed_unet
from safetensors.torch import save_file

from disbench.errors import InputError
from disbench.models.diffdis import weights
from disbench.models.genpercept.weights import load_networks as load_genpercept
from disbench.models.lawdis.weights import load_networks as load_lawdis

torch.set_num_threads(1)


def remove_folder(tokenizer):
    shutil.rmtree(tokenizer)


def empty_folder(tokenizer):
    shutil.rmtree(tokenizer)
    tokenizer.mkdir()


def keep_the_configuration_only(tokenizer):
    for name in ("vocab.json", "merges.txt"):
        (tokenizer / name).unlink()


def shorten(tokenizer):
    """One token less: those after it get other numbers, the start and the end too."""
    vocabulary = json.loads((tokenizer / "vocab.json").read_text())
    last = next(text for text, number in vocabulary.items() if number == 297)
    shorter = {text: number - (number > 297) for text, number in vocabulary.items() if text != last}
    (tokenizer / "vocab.json").write_text(json.dumps(shorter))
    (tokenizer / "tokenizer_config.json").unlink()  # which has the numbers of the start and the end
    merges = (tokenizer / "merges.txt").read_text().splitlines()
    (tokenizer / "merges.txt").write_text("\n".join(line for line in merges if line.replace(" ", "") != last) + "\n")


def exchange_start_and_end(tokenizer):
    vocabulary = json.loads((tokenizer / "vocab.json").read_text())
    vocabulary |= {"<|startoftext|>": 299, "<|endoftext|>": 298}
    (tokenizer / "vocab.json").write_text(json.dumps(vocabulary))
    (tokenizer / "tokenizer_config.json").unlink()


FAULTS = (remove_folder, empty_folder, keep_the_configuration_only, shorten, exchange_start_and_end)
REFUSED = r"tokenizer|no tokenizer/ of Stable Diffusion"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return hashed_base(tmp_path_factory.mktemp("base") / "sd")


@pytest.fixture
def damaged(base, tmp_path):
    """damaged(fault): a copy of the base with a damaged tokenizer."""

    def damage(fault):
        folder = shutil.copytree(base, tmp_path / "damaged")
        fault(folder / "tokenizer")
        return str(folder)

    return damage


@pytest.mark.parametrize("fault", FAULTS)
def test_inference_training_and_export_refuse_it(fault, base, damaged, tmp_path):
    folder = damaged(fault)
    save_file(hashed_unet("B").state_dict(), tmp_path / "drive.safetensors")
    with pytest.raises(InputError, match=REFUSED) as refused:
        weights.load(tmp_path / "drive.safetensors", folder)
    assert folder in str(refused.value) and "\n" not in str(refused.value)
    with pytest.raises(InputError, match=REFUSED):
        weights.start(folder)
    whole = weights.load(tmp_path / "drive.safetensors", str(base))
    with pytest.raises(InputError, match=REFUSED):
        weights.export(whole, tmp_path / "exported", folder)
    assert not (tmp_path / "exported" / "unet").exists()


def test_the_message_has_both_lengths_or_the_tokens(damaged, tmp_path):
    folder = damaged(empty_folder)
    with pytest.raises(InputError, match=r"its tokenizer has 2 tokens, and the text encoder 300, so files"):
        weights.empty_prompt(folder)
    shutil.rmtree(folder)
    with pytest.raises(InputError, match=r"empty prompt of the tokens \[299, 298\], not of \[298, 299\]"):
        weights.empty_prompt(damaged(exchange_start_and_end))


def test_the_other_models_with_a_text_encoder_refuse_it_too(tmp_path):
    v2, base = tiny_genpercept.write_v2(tmp_path / "v2"), tiny_genpercept.write_base(tmp_path / "base")
    empty_folder(base / "tokenizer")
    with pytest.raises(InputError, match="its tokenizer has 2 tokens"):
        load_genpercept(str(v2), str(base))
    folder = tiny_lawdis.write_folder(tmp_path / "lawdis")
    load_lawdis(folder)
    exchange_start_and_end(folder / "tokenizer")
    with pytest.raises(InputError, match=r"empty prompt of the tokens \[299, 298\]"):
        load_lawdis(folder)
