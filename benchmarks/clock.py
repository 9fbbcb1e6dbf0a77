"""The clock of every benchmark here: CPU time of this process, so that other load counts for less."""

import time


def seconds(function, *args) -> float:
    start = time.process_time()
    function(*args)
    return time.process_time() - start
