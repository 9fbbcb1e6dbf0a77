"""The commands of README and docs/: each is parsed as it stands, and run, in the order of its page, but for those of
PARSED_ALONE, for the reason there.

They run in a folder that has what they name: a DIS5K of a few images a split, my-images/{im,gt}, maps, runs, photos,
and networks: an IS-Net with few channels, at 64 pixels a side, and small ones.
"""

import json
import os
import re
import shlex
import shutil
from itertools import cycle
from pathlib import Path

import click
import cv2
import numpy as np
import pytest
import torch
from added_model import CARD, PYTHON
from click.testing import CliRunner
from onnx_files import onnx_file
from own_registry import isolate_registry
from torch import nn

from disbench.cli.main import ModelCommands, main
from disbench.data import dataset
from disbench.models.isnet import network as isnet_network
from disbench.models.isnet import predictor as isnet
from disbench.reports import published  # noqa: F401, which keeps the true counts
from disbench.runs import api
from disbench.timing import rule

ROOT = Path(__file__).parents[2]
SLOW_PAGES = ("add-a-model.md", "scale.md", "time.md", "train.md")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COUNTS = {"DIS-TE1": 2, "DIS-TE2": 2, "DIS-TE3": 2, "DIS-TE4": 2, "DIS-TR": 2, "DIS-VD": 4}
RUNS = {  # page -> what stands there for a run; the rest its own commands make
    "README.md": ("RUN", "BASELINE", "runs/diffdis/KEY", "runs/otsu/KEY"),
    "compare.md": ("A", "B", "Theirs", "Other", "Mine"),
    "protocols.md": ("RUN", "BASELINE"),
    "reports.md": ("RUN", "BASELINE", "Theirs", "Mine"),
}
PARSED_ALONE = {  # words of a command -> why it is not run here
    "--device cuda": "a GPU",
    "--trimaps": "trimaps; test_soft_truths.py has some",
    "--engine ray": "a cluster; test_engine_ray.py starts one",
    "--model rembg:": "a download; test_rembg.py has small files",
    "hf:nvidia": "a download; test_external_models.py has such a folder",
    "stabilityai": "a download; test_diffdis_weights.py and test_diffdis_ceiling.py have a small one",
    "noise-spread": "three networks that one has trained; test_diffdis_spread.py has small ones",
    "run --model diffdis": "minutes, for 48 images of DIS-Mini or for a network of full size; test_cli.py runs fewer",
    "time --model diffdis": "minutes on a CPU",
    "diffdis/*": "the run of DIS-Mini before it",
    "diffdis/KEY --against": "a whole run of DIS-Mini",
    "Published=dis-mini": "a whole run of DIS-Mini",
    "suite mini": "60 images of DIS-Mini; .ci/run has them scored",
    "doctor --model my_model.py": "pictures of DIS-Mini; test_add_a_model.py has smaller ones",
    "recipes/": "a night or a GPU; test_diffdis_train.py has shorter trainings",
    "train recommended": "as recipes/",
    "training-memory": "configurations of a download; test_diffdis_training_memory.py has small ones",
    "train mine.toml": "a recipe of one's own; test_diffdis_recipes.py trains one",
    "--backbone": "a download; test_backbones.py has its like",
    "ablate ": "many trainings; test_diffdis_parts.py has shorter ones",
    "--times timings": "timings of networks; test_report_times.py has some",
}


STAND_INS = {  # in a command that is run -> what takes its place
    "/disk/": "",  # a folder here
    "reports/dis5k": "dis5k",
    "--data mini": "--data DIS5K",
    "--steps 300": "--steps 1 --batch 2",
    "--option output=edge": "--option output=edge --option size=64",
    "runs/isnet/KEY": "runs/isnet/*",
    "DIS-TE1/x": "DIS-TE1/1#Frame#2#Chair#te0048",
}


# The stages of an IS-Net with few channels: depth, whether it dilates, inner and output channels.
THIN_ISNET = (*((depth, False, 4, 16) for depth in (7, 6, 5, 4)), (4, True, 4, 16), (4, True, 4, 512))


def commands(text):
    """The lines of bash blocks that call disbench, their continuations joined, without comments and redirections."""
    for block in re.findall(r"```bash\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r"&&|[;|>]", line.partition(" #")[0]):
                words = shlex.split(part)
                if "disbench" in words:
                    yield words[words.index("disbench") + 1 :]


def parse(arguments):
    """As click would, up to the point where the command would begin."""
    command, context = main, click.Context(main, info_name="disbench")
    while isinstance(command, click.Group):
        name, command, arguments = command.resolve_command(context, arguments)
        context = command.make_context(name, list(arguments), parent=context)
        if isinstance(command, click.Group):
            arguments = [*context._protected_args, *context.args]


CASES = [(page.name, command) for page in PAGES for command in commands(page.read_text("utf-8"))]


@pytest.mark.parametrize(("page", "command"), CASES, ids=[f"{page}: {' '.join(command)}" for page, command in CASES])
def test_every_command_that_is_shown_exists(page, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "--models" in command:  # whose folder must exist to be parsed
        Path(command[command.index("--models") + 1]).mkdir()
        isolate_registry(monkeypatch)  # and must not stay in the registry
    monkeypatch.setenv("RANK", "0")  # for --shard auto
    monkeypatch.setenv("WORLD_SIZE", "1")
    parse(command)


def list_with_examples(group, context, words=()):
    """The commands of a group and of the groups in it, and these groups, each with its words.

    The group of a model has the examples of its commands only.
    """
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if not isinstance(command, ModelCommands):
            yield (*words, name), command
        if isinstance(command, click.Group):
            yield from list_with_examples(command, click.Context(command, context), (*words, name))


def list_examples(command):
    """The arguments of `disbench` in the examples at the end of a command's help."""
    _, _, examples = (command.epilog or "").partition("Examples:\n")
    return [shlex.split(line) for line in examples.splitlines()]


WITH_EXAMPLES = [((), main), *list_with_examples(main, click.Context(main))]


@pytest.mark.parametrize(
    ("words", "command"), WITH_EXAMPLES, ids=[" ".join(["disbench", *words]) for words, _ in WITH_EXAMPLES]
)
def test_the_help_of_every_command_ends_with_examples_that_parse(words, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    examples = list_examples(command)
    assert 1 <= len(examples) <= 3
    for program, *arguments in examples:
        assert program == "disbench"
        parse(arguments)
        assert tuple(arguments[: len(words)]) == words
    shown = CliRunner().invoke(main, [*words, "--help"], terminal_width=80).output
    assert shown.rstrip().endswith(command.epilog.splitlines()[-1])
    assert all(len(line) <= 80 for line in shown.partition("Examples:")[2].splitlines())


def test_no_example_is_given_twice():
    examples = [shlex.join(example) for _, command in WITH_EXAMPLES for example in list_examples(command)]
    assert len(examples) == len(set(examples))


def test_a_command_that_does_not_exist_is_found():
    for wrong in (["run", "--modle", "x"], ["rum"], ["data", "verfy"], ["run", "--protocol", "pysodd"]):
        with pytest.raises((click.UsageError, ValueError)):
            parse(wrong)


def why_not(command):
    """Why a command is parsed alone; None if it is run."""
    line = " ".join(command) + " "
    return next((why for words, why in PARSED_ALONE.items() if words in line), None)


def test_no_reason_is_left_of_a_command_that_is_gone():
    lines = [" ".join(command) + " " for _, command in CASES]
    assert [words for words in PARSED_ALONE if not any(words in line for line in lines)] == []


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder of all pages, without runs/; its three runs are of maps that differ."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        pairs(Path("my-images"), ["chair", "gate", "wheel"])
        networks()
        suites()
        Path("paper.tex").write_text(r"\begin{tabular}{lc}Method & TE1 MAE\\Ours & 0.1\end{tabular}", encoding="utf-8")
        Path("photos").mkdir()
        shutil.copy("my-images/im/chair.jpg", "photos")
        number = 46
        for split, count in COUNTS.items():
            pairs(Path("DIS5K", split), [f"1#Frame#{k}#Chair#te{number + k:04}" for k in range(1, count + 1)])
            number += count
        for shift, method in enumerate(("mine", "theirs", "isnet", "birefnet")):
            for data in ("DIS5K", "my-images"):
                for truth in Path(data).glob("**/gt/*"):
                    mask = cv2.imread(str(truth), cv2.IMREAD_GRAYSCALE)
                    if data == "DIS5K":
                        mask = np.roll(mask, shift, 1) // (1 + shift)
                    to = Path(f"maps-{data}", method, *truth.parts[1:-2], truth.name)
                    to.parent.mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(to), mask)
        for split, count in COUNTS.items():
            patch.setitem(dataset.SPLIT_COUNTS, split, count)
        for title, method in (("a", "mine"), ("b", "theirs"), ("c", "isnet")):  # from good to bad
            folder_of_maps = f"maps-DIS5K/{method}"
            api.score_maps(folder_of_maps, title=title, data="DIS5K", out="scored", save_maps=True, metrics="all")
    return folder


def pairs(folder, names):
    for kind in ("im", "gt"):
        (folder / kind).mkdir(parents=True)
    for seed, name in enumerate(names):
        truth = cv2.circle(np.zeros((24, 32), np.uint8), (8 + 3 * seed, 12), 6, 255, -1)
        noise = np.random.default_rng(seed).integers(0, 80, (24, 32, 3), np.uint8)
        cv2.imwrite(str(folder / "im" / f"{name}.jpg"), noise + truth[..., None] // 2)
        cv2.imwrite(str(folder / "gt" / f"{name}.png"), truth)


def networks():
    """Those that the pages name, in the working folder."""
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(isnet_network, "ISNET", THIN_ISNET)
        torch.save(isnet_network.ISNet().state_dict(), "isnet.pth")
    thin = nn.Sequential(nn.AvgPool2d(8), nn.Conv2d(3, 1, 1), nn.Flatten(1, 2), nn.Sigmoid()).eval()
    x = torch.zeros(1, 3, 1024, 1024)
    torch.jit.trace(thin, x).save("scripted.pt")
    torch.export.save(torch.export.export(thin, (x,)), "exported.pt2")
    onnx_file(Path("model.onnx"))
    Path("my_model.py").write_text(PYTHON, encoding="utf-8")
    folder = Path("my_models", "thin_net")
    folder.mkdir(parents=True)
    (folder / "card.toml").write_text(CARD)
    (folder / "predictor.py").write_text(PYTHON)
    for name in ("mine.pth", "thin.pth"):
        torch.save({}, name)


def suites():
    """The suite of its page, small, and the two files of PySODEvalToolkit that the page names."""
    text = re.search(r"```toml\n(.*?)```", (ROOT / "docs" / "suites.md").read_text("utf-8"), re.DOTALL)[1]
    places = {"maps/mine/my-images": "maps-my-images/mine", "maps/mine": "maps-DIS5K/mine", "1024": "64"}
    for shown, here in places.items():
        assert shown in text
        text = text.replace(shown, here)
    Path("suite.toml").write_text(text, encoding="utf-8")
    masks = {"kitchen": {"mask": {"path": "my-images/gt", "suffix": ".png"}}}
    Path("datasets.json").write_text(json.dumps(masks), encoding="utf-8")
    maps = {"mine": {"kitchen": {"path": "maps-my-images/mine", "suffix": ".png"}}}
    Path("methods.json").write_text(json.dumps(maps), encoding="utf-8")


def small(monkeypatch):
    """A card, and rules of timing, that take seconds; what a command registers is gone after the test."""
    whole = isnet.Predictor.__init__

    def init(self, card, weights, device, size="64", **options):
        whole(self, card, weights, device, size=size, **options)

    monkeypatch.setattr(isnet.Predictor, "__init__", init)
    monkeypatch.setattr(isnet_network, "ISNET", THIN_ISNET)
    monkeypatch.setattr(rule, "FULL", rule.TimingRule(1, 0.01, 2, 0.01))
    isolate_registry(monkeypatch)
    monkeypatch.setenv("RANK", "0")  # for --shard auto
    monkeypatch.setenv("WORLD_SIZE", "1")


def list_pages():
    """The pages with commands that a test can run."""
    pages = sorted({page for page, command in CASES if not why_not(command)})
    slow = [pytest.mark.ci, pytest.mark.slow]
    return [pytest.param(page, marks=slow if page in SLOW_PAGES else []) for page in pages]


@pytest.mark.parametrize("page", list_pages())
def test_the_commands_of_a_page_do_what_it_says(page, place, tmp_path, monkeypatch):
    here = tmp_path / "here"
    shutil.copytree(place, here, copy_function=os.link)
    monkeypatch.chdir(here)
    for split, count in COUNTS.items():
        monkeypatch.setitem(dataset.SPLIT_COUNTS, split, count)
    for name, run in zip(RUNS.get(page, ()), cycle(sorted(Path("scored").glob("*/*"))), strict=False):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).symlink_to(run.resolve())
    Path("OTHER").symlink_to("DIS5K")
    Path("DIR").symlink_to("maps-DIS5K/isnet")
    small(monkeypatch)
    for command in [command for of, command in CASES if of == page and not why_not(command)]:
        Path("maps").unlink(missing_ok=True)
        Path("maps").symlink_to("maps-DIS5K" if "DIS5K" in command else "maps-my-images")
        line = shlex.join(command)
        for shown, here in STAND_INS.items():
            line = line.replace(shown, here)
        words = []
        for word in shlex.split(line):
            runs = [run for run in ("RUN", "BASELINE") if run not in words]
            found = sorted(Path().glob(word)) if "*" in word else runs if word == "RUN..." else [word]
            words += map(str, found)
        # The audit's answer is no: it finds what it is there to find.
        piped = Path("photos/chair.jpg").read_bytes() if "-" in words else None
        done = CliRunner().invoke(main, words, input=piped)
        assert done.exit_code == (command == ["leaderboard", "audit"]), (
            f"{' '.join(words)}\n{done.output}\n{done.exception!r}"
        )
