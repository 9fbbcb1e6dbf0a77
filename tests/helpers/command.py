"""Calls of the command line."""

from click.testing import CliRunner

from disbench.cli.main import main


def call(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])
