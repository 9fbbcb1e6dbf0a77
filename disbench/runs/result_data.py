"""The data set that a result was scored on."""

from pathlib import Path

from disbench.data.dataset import DataLocation, DataSet
from disbench.data.location import find_dataset
from disbench.errors import InputError
from disbench.runs.result import Result


def find_result_data(result: Result, *, images: bool) -> DataSet:
    """Find the subsets that a result was scored on, where they were then.

    Args:
        result: the result.
        images: require images. False: only truths.

    Raises:
        InputError: if the data set is no longer there.
    """
    *folders, truths = result.meta["data"]
    location: DataLocation = truths
    if folders:  # images have a folder of their own
        location = (Path(folders[0]) if images else None, Path(truths))
    try:
        dataset = find_dataset(location, ",".join(result.splits), images=images)
    except InputError:
        if not result.token.startswith("folder:"):
            raise
        dataset = find_dataset(location, None, images=images)  # a folder of one subset takes no name of it
    return dataset.select(result.splits)
