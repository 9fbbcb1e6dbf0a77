"""The baselines that are shown next to a model on DIS-Mini."""

import pytest

from disbench.runs.execute import list_references
from disbench.runs.spec import ModelSpec


def names(model, weights=None, **options):
    references = list_references(ModelSpec(name=model, weights=weights, device="cpu"), **options)
    return [(reference.name, reference.weights) for reference in references]


TRIVIAL = [("all_foreground", None), ("otsu", None)]
SMALL = [("u2netp", None)]


@pytest.mark.parametrize(
    ("model", "weights", "expected"),
    [
        ("otsu", None, TRIVIAL[:1]),
        ("diffdis", None, TRIVIAL + SMALL),
        ("isnet", "untrained", TRIVIAL + SMALL),
        ("u2netp", None, TRIVIAL),
        ("u2netp", "mini", TRIVIAL),
        ("u2netp", "mine.pth", TRIVIAL + SMALL),
    ],
)
def test_a_network_is_shown_next_to_the_small_one(model, weights, expected):
    assert names(model, weights) == expected


def test_all_references_have_the_network_untrained_too():
    assert names("diffdis", with_untrained=True) == [*TRIVIAL, ("diffdis", "untrained"), *SMALL]
    assert names("diffdis", "untrained", with_untrained=True) == TRIVIAL + SMALL
    assert names("otsu", with_untrained=True) == TRIVIAL[:1]


def test_a_users_own_file_is_shown_next_to_the_trivial_ones(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    assert names(str(tmp_path / "net.onnx"), with_untrained=True) == TRIVIAL
