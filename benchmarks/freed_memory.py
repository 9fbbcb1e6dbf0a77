"""CPU time and memory of a pass of DiffDIS-Mini with `keep_freed_memory`, which every model uses, and without.

    python benchmarks/freed_memory.py [--size 768] [--runs 3]

Prints the CPU seconds of the fastest run, system time included, and the peak resident memory. Each setting runs in a
separate process, on one thread.
"""

import argparse
import subprocess
import sys

CODE = """
import resource, sys, time
import numpy as np, torch, disbench
from disbench.models._parts import device
torch.set_num_threads(1)
mode, size, runs = sys.argv[1:]
if mode == "without":
    device.keep_freed_memory = lambda: None
model = disbench.load("diffdis", device="cpu", size=size)
image = np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)
model.predict(image)
times = []
for _ in range(int(runs)):
    start = time.process_time()
    model.predict(image)
    times.append(time.process_time() - start)
print(min(times), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="768")
    parser.add_argument("--runs", default="3")
    options = parser.parse_args()
    seconds = {}
    for mode in ("without", "with"):
        command = [sys.executable, "-c", CODE, mode, options.size, options.runs]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds[mode], resident = map(float, output.split())
        print(f"{mode}: {seconds[mode]:.2f} s of CPU time, {resident:.0f} MiB of resident memory at the peak")
    print(f"ratio: {seconds['without'] / seconds['with']:.2f}")
