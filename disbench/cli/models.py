"""The command on the registry: models."""

from dataclasses import asdict
from pathlib import Path

import click

from disbench.cli.options import add_options, complete_models, json_option, models_option
from disbench.errors import escape_control_chars
from disbench.registry.card import STATUSES, Card, Download
from disbench.registry.discovery import list_cards
from disbench.registry.loading import get_card
from disbench.system.console import print_json, print_table

HIDDEN = {"folder", "source"}  # places on this machine


@click.command()
@click.argument("name", required=False, shell_complete=complete_models)
@click.option(
    "--status", type=click.Choice([status for status in STATUSES if status != "file"]), help="List these alone."
)
@click.option("--find", metavar="TEXT", help="List those alone whose name, summary, paper or training data has TEXT.")
@add_options(models_option, json_option)
def models(name, status, find, as_json):
    """List models; with NAME, all about one. How to get its weights and maps is told."""
    shown = [get_card(name)] if name else list(list_cards().values())
    shown = [c for c in shown if status in (None, c.status) and (find or "").casefold() in _text(c)]
    if as_json:
        import msgspec

        kept = [{key: value for key, value in asdict(c).items() if key not in HIDDEN} for c in shown]
        print_json(msgspec.to_builtins(kept))  # a card may hold TOML's dates
    elif name:
        for c in shown:
            _describe(c)
    elif not shown:
        click.echo("no model is like that; `disbench models` lists all")
    else:
        rows = [(c.name, c.title, c.paper.get("venue", ""), c.status, c.summary) for c in shown]
        print_table(("name", "title", "venue", "status", "what it is"), rows)
        for key in dict.fromkeys(c.status for c in shown):
            click.echo(f"{key}: {STATUSES[key]}")
        click.echo("How to get weights and maps: disbench models NAME")


def _echo(line: str) -> None:
    click.echo(escape_control_chars(line))  # cards come from anywhere


def _text(c: Card) -> str:
    return "\n".join([c.name, c.title, c.summary, *c.paper.values(), *(one.trained_on for one in c.weights)]).casefold()


def _describe(c: Card) -> None:
    _echo(f"{c.title}, {c.status}: {STATUSES[c.status]}")
    _echo(c.summary)
    if c.paper:
        arxiv = "arxiv" in c.paper and f"https://arxiv.org/abs/{c.paper['arxiv']}"
        _echo(f"Paper: {', '.join(filter(None, (c.paper.get('title'), c.paper.get('venue'), arxiv)))}")
    if c.code:
        commit, license = (c.code.get(key, "not said") for key in ("commit", "license"))
        _echo(f"Code: {c.code.get('url', 'not said')} at {commit}, licence: {license}")
    if c.parameters:
        _echo(f"Parameters: {c.parameters / 1e6:.2f} M")
    for key, value in c.protocol.items():
        _echo(f"{key.capitalize()}: {value}")
    if c.training:
        _echo(f"Training: disbench train --model {c.name} --data DIS5K --out DIR")
    if c.recipe:
        _echo(f"Training: disbench train {_near(c.folder / c.recipe)} --data DIS5K --out DIR")
    if c.loss:
        _echo(f"Loss, {c.loss}")
    for one in c.weights:
        if one.urls:
            _download(f"Weights {one.name}", one, f"--model {c.name} --weights {_file(one)}")
        else:
            _download(f"Weights {one.name}, shipped", one, f"--model {c.name}")
    for one in c.maps:
        _download(f"Maps {one.name}", one, f"--model {c.name} --maps DIR")


def _download(head: str, one: Download, how: str) -> None:
    facts = [one.size, one.license and f"licence: {one.license}", one.trained_on and f"trained on: {one.trained_on}"]
    click.echo()
    _echo(f"{head} ({'; '.join(filter(None, facts))})")
    for kind, value in (("MD5", one.md5), ("SHA256", one.sha256)):
        if value:
            _echo(f"  {kind}: {value}")
    if one.note:
        _echo(f"  {one.note}")
    for url in one.urls:
        _echo(f"  by hand: {url}")
    _echo(f"  then:    disbench run {how} --data DIS5K --split DIS-TE1..4")


def _near(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _file(one: Download) -> str:
    return one.name if "." in one.name else "FILE"
