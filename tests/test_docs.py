"""The commands of README and docs/: each is parsed as it stands; those of a page marked so are run, in order."""

import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from disbench import models
from disbench.cli import main

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = "<!-- these commands are run by a test -->"


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
        monkeypatch.setattr(models, "__path__", list(models.__path__))  # and must not stay in the registry
        monkeypatch.setenv(models.FOLDERS, "")
    monkeypatch.setenv("RANK", "0")  # for --shard auto
    monkeypatch.setenv("WORLD_SIZE", "1")
    parse(command)


def test_a_command_that_does_not_exist_is_found():
    for wrong in (["run", "--modle", "x"], ["rum"], ["data", "verfy"], ["run", "--protocol", "pysodd"]):
        with pytest.raises((click.UsageError, ValueError)):
            parse(wrong)


@pytest.mark.parametrize("page", [page for page in PAGES if RUN in page.read_text("utf-8")], ids=lambda page: page.stem)
def test_the_commands_of_a_page_do_what_it_says(page, tmp_path, make_pairs, monkeypatch):
    """In a folder that has my-images/{im,gt}, and its truths as the maps of two methods."""
    folder = make_pairs(tmp_path / "my-images", ["chair", "gate", "wheel"])
    for method in ("mine", "theirs"):
        shutil.copytree(folder / "gt", tmp_path / "maps" / method)
    monkeypatch.chdir(tmp_path)
    for command in commands(page.read_text("utf-8").partition(RUN)[2].partition("\n```\n")[0] + "\n```"):
        words = [str(path) for word in command for path in (sorted(Path().glob(word)) if "*" in word else [word])]
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 0, f"{' '.join(words)}\n{done.output}"
