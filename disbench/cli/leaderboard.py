"""Commands on leaderboards: leaderboard show, check and audit; submit."""

import sys
from pathlib import Path

import click

from disbench.cli.examples import format_examples
from disbench.cli.options import PATH, TEXT, json_option, metrics_option, parse_titled_path
from disbench.system.console import print_json, print_note, print_table, print_text


@click.group(epilog=format_examples("disbench leaderboard show --clean", "disbench leaderboard audit table.tex"))
def leaderboard():
    """Show and check published and measured scores of methods."""


to_option = click.option(
    "--to", "root", metavar="DIR", type=PATH, help="The folder of leaderboards. Default: leaderboards."
)
entries_argument = click.argument("entries", nargs=-1, metavar="[ENTRY|BOARD]...", type=TEXT)


@leaderboard.command(
    epilog=format_examples(
        "disbench leaderboard show",
        "disbench leaderboard show dis5k --split DIS-VD --clean --metrics f_max,mae",
    ),
)
@entries_argument
@click.option("--split", type=TEXT, help="The subset to show. Default: Overall, or the last one that there is.")
@click.option("--find", "text", default="", metavar="TEXT", help="Only entries whose name or paper contains TEXT.")
@click.option("--clean", is_flag=True, help="Omit methods that were trained on the subset.")
@click.option("--measured", is_flag=True, help="Only entries with measured scores.")
@metrics_option
@json_option
def show(entries, split, text, clean, measured, metrics, as_json):
    """Print entries, the best first. Default: the entries on DIS5K.

    JSON has whole entries, of all subsets and metrics.
    """
    from disbench.leaderboard.entry import describe_entry, find_entries, read_entry
    from disbench.leaderboard.show import HEAD, build_rows, choose_subset
    from disbench.leaderboard.training import drop_contaminated

    shown = []
    for entry in map(read_entry, find_entries(entries or ["dis5k"])):
        words = " ".join([entry.model, entry.title, *entry.paper.values()])
        if text.casefold() in words.casefold() and (entry.measured or not measured):
            shown.append(entry)
    split = split or choose_subset(shown)
    if clean:
        shown = drop_contaminated(shown, split)
    if as_json:
        print_json([describe_entry(entry) for entry in shown])
        return
    head, rows, notes = build_rows(shown, split, metrics)
    print_table((*HEAD, *head), rows, prose=("venue",))
    for note in notes:
        print_text(note)


@leaderboard.command(
    "check",
    epilog=format_examples(
        "disbench leaderboard check",
        "disbench leaderboard check leaderboards/dis5k",
    ),
)
@entries_argument
def check(entries):
    """Validate entries. Default: all shipped ones, and yours in ./leaderboards.

    Checks names, whole subsets, the same ground truth, and scores against evidence. Exit status 1: faults.
    """
    from disbench.leaderboard.check import check_entries
    from disbench.leaderboard.entry import find_entries, list_boards

    paths = find_entries(entries or list_boards())
    faults = check_entries(paths)
    for fault in faults:
        print_text(fault)
    click.echo(f"{len(paths)} entries, {len(faults)} faults")
    sys.exit(1 if faults else 0)


@leaderboard.command(epilog=format_examples("disbench leaderboard audit", "disbench leaderboard audit paper.tex"))
@click.argument("tables", nargs=-1, metavar="[ENTRY|BOARD|TABLES|PAPER]...", type=TEXT)
@json_option
def audit(tables, as_json):
    """Audit published tables for contradictions in their own numbers.

    PAPER is a file of your own with tables: .tex, .md or .csv. Default: all shipped tables. Exit status 1: findings.
    """
    import msgspec

    from disbench.leaderboard.audit import audit_tables
    from disbench.leaderboard.entry import BOARDS_ROOT, find_entries
    from disbench.leaderboard.papers.paper import audit_paper, describe_paper, is_paper
    from disbench.leaderboard.tables import collect_published

    papers = [Path(table) for table in tables if is_paper(Path(table))]
    boards = [table for table in tables if Path(table) not in papers]
    paths = find_entries(boards)
    if not tables:
        paths = find_entries(["dis5k"])
        paths += sorted((BOARDS_ROOT / "tables").glob("*.json")) if BOARDS_ROOT else []
    published = collect_published(paths)
    findings = audit_tables(published)
    paper_tables = [table for paper in papers for table in audit_paper(paper)]
    all_findings = findings + [finding for table in paper_tables for finding in table.findings]
    if as_json and papers:
        print_json({"findings": msgspec.to_builtins(findings), "tables": msgspec.to_builtins(paper_tables)})
    elif as_json:
        print_json(msgspec.to_builtins(findings))
    else:
        for paper in dict.fromkeys(finding.paper for finding in findings):
            print_text(paper)
            for finding in findings:
                if finding.paper == paper:
                    print_text(f"{finding.table}: {finding.message}", "  ")
        for line in describe_paper(paper_tables):
            print_text(line.lstrip(), indent=" " * (len(line) - len(line.lstrip())))
        published += [table.table for table in paper_tables]
        numbers = sum(table.count_numbers() for table in published)
        reproduced = sum(table.reproduced for table in published)
        kinds = f" ({reproduced} reproduced)" if reproduced else ""
        click.echo(f"{len(published)} tables{kinds}, {numbers} numbers, {len(all_findings)} findings")
    sys.exit(1 if all_findings else 0)


@leaderboard.command(epilog=format_examples("disbench leaderboard add mine.zip"))
@click.argument("bundle", metavar="BUNDLE", type=PATH)
@to_option
@click.option("--as", "model", metavar="NAME", help="The entry's name. Default: the name in the bundle.")
def add(bundle, root, model):
    """Check a bundle of `submit`, and write its entry.

    The checks are those of `disbench leaderboard check`. What is in the leaderboard is not replaced.
    """
    from disbench.leaderboard.bundle import add_bundle
    from disbench.leaderboard.entry import OWN_ROOT
    from disbench.runs.outputs import check_output

    root = root or OWN_ROOT
    check_output(root, [bundle], "--to")
    path = add_bundle(bundle, root, model)
    click.echo(path)
    print_note(f"`disbench leaderboard check {path.parent}` checks it against the other entries")


@click.command(
    epilog=format_examples(
        "disbench submit Mine",
        "disbench submit Mine --as mynet --paper 'My Net' --url https://example.org",
        "disbench submit Mine --bundle mine.zip",
    ),
)
@click.argument("run", metavar="[TITLE=]RUN")
@to_option
@click.option("--as", "model", metavar="NAME", help="The entry's name. Default: the name of the run's model.")
@click.option("--paper", "title", metavar="TITLE", help="The title of the method's paper. Default: that of its card.")
@click.option("--url", metavar="URL", help="The address of the paper or of its code: https://...")
@click.option("--author", "authors", metavar="NAME", multiple=True, help="An author of the paper. Repeatable.")
@click.option("--bundle", metavar="FILE", type=PATH, help="Write one file for `leaderboard add`, and no leaderboard.")
@metrics_option
def submit(run, root, model, title, url, authors, bundle, metrics):
    """Write a finished run into a leaderboard.

    The statistics of every image are stored with it, so that its scores can be recomputed.
    """
    from disbench.errors import InputError
    from disbench.leaderboard.bundle import write_bundle
    from disbench.leaderboard.entry import OWN_ROOT
    from disbench.leaderboard.evidence import prepare_entry, submit_run
    from disbench.leaderboard.names import make_paper
    from disbench.runs.outputs import check_output, list_inputs
    from disbench.runs.result import load_run

    paper = make_paper(title, url, authors)
    if bundle and root:
        raise InputError("--bundle writes one file and no leaderboard; omit --to")
    name, folder = parse_titled_path(run)
    result = load_run(folder, name)
    inputs = [result.folder, *list_inputs([result])]
    if bundle:
        check_output(bundle, inputs, "--bundle")
        write_bundle(bundle, prepare_entry(result, model, metrics, paper))
        click.echo(bundle)
        return
    root = root or OWN_ROOT
    check_output(root, inputs, "--to")
    click.echo(submit_run(result, root, model, metrics, paper))
