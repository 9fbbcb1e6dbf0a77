"""Columns come back from a table as they went in, and pandas stays away."""

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from parquet_bytes import encode_parquet

from disbench.runs.tables import read_groups, read_parquet

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
COLUMNS = {
    "name": TEXT,
    "count": st.integers(-(2**63), 2**63 - 1),
    "value": st.floats(allow_nan=False),
    "levels": st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3),
    "other": st.none() | st.lists(st.integers(0, 2**32 - 1), min_size=3, max_size=3),
}


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(*COLUMNS.values()), min_size=1, max_size=20))
def test_columns_come_back(tmp_path_factory, rows):
    columns = dict(zip(COLUMNS, map(list, zip(*rows, strict=True)), strict=True))
    given = columns | {
        key: [None if one is None else np.array(one, np.uint32) for one in columns[key]] for key in ("levels", "other")
    }
    path = tmp_path_factory.mktemp("table") / "t.parquet"
    path.write_bytes(encode_parquet(given))
    assert read_parquet(path) == columns
    (group,) = read_groups(path)
    plain = {key: [getattr(one, "tolist", lambda one=one: one)() for one in values] for key, values in group.items()}
    assert plain == columns
    plain = {key: pa.array(values) for key, values in columns.items()}
    lists = pa.list_(pa.uint32(), 3)
    if any(columns["other"]):
        plain["other"] = plain["other"].cast(lists)
    expected = pa.table(plain | {"levels": plain["levels"].cast(lists)})
    assert pq.read_table(path).equals(expected)


def test_what_is_no_table_is_refused(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(pa.ArrowException):
        read_parquet(tmp_path / "t.parquet")


def test_tables_load_no_pandas(tmp_path):
    code = (
        "import sys, numpy as np; from pathlib import Path\n"
        "from disbench.runs.tables import ParquetWriter, read_parquet\n"
        "path = Path(sys.argv[1])\n"
        "with path.open('wb') as file:\n"
        "    writer = ParquetWriter(file)\n"
        "    writer.write({'a': ['x'], 'b': [1.5], 'c': [np.arange(3)]})\n"
        "    writer.close()\n"
        "print(read_parquet(path), 'pandas' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code, tmp_path / "t"], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "{'a': ['x'], 'b': [1.5], 'c': [[0, 1, 2]]} False"
