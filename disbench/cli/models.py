"""The command on the registry: models."""

import re
import shlex
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import add_options, complete_models, json_option, models_option
from disbench.data.dataset import INPUTS
from disbench.data.training import UNSTATED, describe_training
from disbench.errors import escape_control_chars
from disbench.registry.card import STATUSES, Card, Download
from disbench.registry.discovery import cli_arguments, list_cards
from disbench.registry.loading import get_card
from disbench.registry.weights import direct_url, hub_source, hub_url, is_fetchable, list_records
from disbench.system.console import print_json, print_table, print_text

HIDDEN_FIELDS = {"folder", "source", "commands", "trainer"}  # places on this machine, and disbench's own wiring
COMMAND_FIELDS = {"command", "options", "timeout", "copies"}  # of an external command only
LISTED_STATUSES = [status for status in STATUSES if status != "file"]


@click.command(
    epilog=format_examples(
        "disbench models",
        "disbench models isnet",
        "disbench models --status verified --find ECCV",
    ),
)
@click.argument("name", required=False, shell_complete=complete_models)
@click.option("--status", type=click.Choice(LISTED_STATUSES), help="List only models of this status.")
@click.option("--find", metavar="TEXT", help="List only models with TEXT in name, summary, paper or training data.")
@add_options(models_option, json_option)
def models(name, status, find, as_json):
    """List models. With NAME, describe one model, and how to get its weights and maps."""
    cards = [get_card(name)] if name else list(list_cards().values())
    pattern = (find or "").casefold()
    cards = [card for card in cards if status in (None, card.status) and pattern in _searchable_text(card)]
    if as_json:
        import msgspec

        print_json(msgspec.to_builtins([_card_to_json(card) for card in cards]))  # a card may hold TOML's dates
    elif name:
        for card in cards:
            _describe(card)
    elif not cards:
        click.echo("no model fits; `disbench models` lists all")
    else:
        print_table(("name", "title", "venue", "status", "summary"), _list_models(cards))
        if lines := [_summarise_weights(card, download) for card in cards for download in card.weights]:
            click.echo("\nWeights:")
            for line in lines:
                print_text(line)
            click.echo()
        for key in dict.fromkeys(card.status for card in cards):
            print_text(f"{key}: {STATUSES[key]}")
        click.echo("How to get weights and maps: disbench models NAME")


def _list_models(cards: list[Card]) -> list[tuple[str, ...]]:
    """List the cards as rows, the variants of a folder in one row."""
    groups: dict[str, list[Card]] = {}
    for card in cards:
        groups.setdefault(card.name.partition(":")[0], []).append(card)
    return [
        (f"{name}:NAME", name, "", group[0].status, f"{len(group)} models, by their names below.")
        if group[0].is_variant
        else (name, group[0].title, group[0].paper.get("venue", ""), group[0].status, group[0].summary)
        for name, group in groups.items()
    ]


def _summarise_weights(card: Card, download: Download) -> str:
    """Write the names that --model and --weights take, with licence, training data and source, as one line."""
    trained_on = download.trained_on
    if not isinstance(trained_on, str):  # the splits of a data set together
        pairs = [name.partition("/")[::2] for name in trained_on]
        groups = [(title, [split for _, split in group]) for title, group in groupby(pairs, lambda pair: pair[0])]
        trained_on = tuple(f"{title}/{','.join(splits)}".rstrip("/") for title, splits in groups)
    origin = "shipped"
    if download.urls:
        url = hub_url(download) or direct_url(download)
        host = re.sub(r"^\w+://([^/?#]+).*", r"\1", url or download.urls[0])
        origin = f"{'download' if url else 'by hand'} from {host}"
    terms = f"licence: {download.license or 'not stated'}; trained on: {describe_training(trained_on) or UNSTATED}"
    return f"{card.name}, {download.name}: {terms}; {origin}"


def _card_to_json(card: Card) -> dict[str, Any]:
    hidden = HIDDEN_FIELDS if card.command else HIDDEN_FIELDS | COMMAND_FIELDS
    optional = {key for key in ("inputs", "sees_truth", "cpu_only", "memory") if not getattr(card, key)}
    fields = {key: value for key, value in asdict(card).items() if key not in hidden | optional}
    # The JSON keeps the name that the table had before the card called it pipeline.
    return {"protocol" if key == "pipeline" else key: value for key, value in fields.items()}


def _searchable_text(card: Card) -> str:
    trained_on = (describe_training(download.trained_on) for download in card.weights)
    return "\n".join([card.name, card.title, card.summary, *card.paper.values(), *trained_on]).casefold()


def _describe(card: Card) -> None:
    print_text(f"{card.title}, {card.status}: {STATUSES[card.status]}")
    print_text(card.summary)
    if card.paper:
        facts = [card.paper.get("title"), card.paper.get("venue")]
        if "arxiv" in card.paper:
            facts.append(f"https://arxiv.org/abs/{card.paper['arxiv']}")
        print_text(f"Paper: {', '.join(filter(None, facts))}")
    if card.code:
        url, commit, license = (card.code.get(key, "not stated") for key in ("url", "commit", "license"))
        _echo(f"Code: {url} at {commit}, licence: {license}")
    if card.parameters:
        _echo(f"Parameters: {card.parameters / 1e6:.2f} M")
    if card.memory:
        print_text(f"Memory: {card.memory}")
    for key, value in card.pipeline.items():
        _echo(f"{key.capitalize()}: {value}")
    if card.command:
        _echo(f"Command: {shlex.join(card.command)}")
    if card.inputs:
        _echo(f"Inputs next to the image: {', '.join(card.inputs)}")
    if card.sees_truth:
        _echo("Receives ground truth: its scores are marked and not ranked")
    for key, value in card.options.items():
        _echo(f"Option {key}, by default: {value}")
    chosen = cli_arguments(card, "--model")
    if card.training:
        _echo(f"Training: disbench train {chosen} --data DIS5K --out DIR")
    if card.recipe:
        _echo(f"Training: disbench train {_relative_path(card.folder / card.recipe)} --data DIS5K --out DIR")
    if card.loss:
        print_text(f"Loss, {card.loss}")
    inputs = "".join(f" --input {INPUTS[name]}" for name in card.inputs)
    for download in card.weights if not card.source else ():
        if not download.urls or download == card.default_weights:
            head = f"Weights {download.name}" if download.urls else f"Weights {download.name}, shipped"
            _describe_download(head, download, f"{chosen}{inputs}")
        else:
            takes_name = "." in download.name or is_fetchable(download)
            file = shlex.quote(download.name) if takes_name else "FILE"
            _describe_download(f"Weights {download.name}", download, f"{chosen} --weights {file}{inputs}")
    for download in card.maps:
        _describe_download(f"Maps {download.name}", download, f"{chosen} --maps DIR")


def _describe_download(head: str, download: Download, arguments: str) -> None:
    facts = [download.size]
    if download.license:
        facts.append(f"licence: {download.license}")
    if download.trained_on != "":
        facts.append(f"trained on: {describe_training(download.trained_on)}")
    click.echo()
    print_text(f"{head} ({'; '.join(filter(None, facts))})")
    for kind, value in (("MD5", download.md5), ("SHA256", download.sha256)):
        if value:
            _echo(f"  {kind}: {value}")
    if download.note:
        print_text(download.note, "  ")
    if download.urls and not download.sha256 and "--maps" not in arguments and is_fetchable(download):
        for file, digest in list_records(download) or [("", "")]:
            known = f"{digest}, of the first download of {file}" if digest else "of the first download, once recorded"
            print_text(f"SHA256: {known}; the publisher states none, so later downloads are compared with it", "  ")
    automatic = {direct_url(download)} if not hub_source(download) else {hub_url(download)}
    for url in download.urls:
        _echo(f"  {'from:   ' if url in automatic and '--maps' not in arguments else 'by hand:'} {url}")
    arguments += "".join(f" --option {shlex.quote(f'{key}={value}')}" for key, value in download.options.items())
    _echo(f"  then:    disbench run {arguments} --data DIS5K --split DIS-TE1..4")


def _echo(line: str) -> None:
    click.echo(escape_control_chars(line))  # cards may come from anywhere


def _relative_path(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
