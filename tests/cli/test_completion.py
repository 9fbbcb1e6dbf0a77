"""What a shell completes: commands, and the names that options take."""

import pytest
from click.shell_completion import ShellComplete

from disbench.cli.main import main


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        ([], "lea", {"leaderboard"}),
        (["run", "--model"], "is", {"isdnet", "isnet"}),
        (["time", "--model"], "ots", {"otsu"}),
        (["run", "--model"], "rembg:isnet", {"rembg:isnet-anime", "rembg:isnet-general-use"}),
        (["run", "--split"], "dis-te", {"DIS-TE1", "DIS-TE2", "DIS-TE3", "DIS-TE4", "DIS-TE1..4"}),
        (["run", "--split"], "DIS-VD,dis-te3", {"DIS-VD,DIS-TE3"}),
        (["models"], "isn", {"isnet"}),
        (["metrics"], "s_mea", {"s_measure"}),
        (["score", "maps", "--metrics"], "mae,f_ma", {"mae,f_max"}),
        (["score", "maps", "--protocol"], "mva", {"mvanet", "mvanet-2024", "mvanet-2024-11"}),
    ],
)
def test_names_are_completed(words, begun, expected):
    found = ShellComplete(main, {}, "disbench", "_DISBENCH_COMPLETE").get_completions(words, begun)
    assert {one.value for one in found} == expected
