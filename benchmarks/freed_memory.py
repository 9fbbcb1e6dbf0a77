"""What a pass of DiffDIS-Mini costs with freed memory kept (`keep_memory`, as every model is run) and without.

    python benchmarks/freed_memory.py [--size 768] [--runs 3]

CPU seconds of the best of the runs, system's share included, and the most memory resident; each in a process of its
own, on one thread.
"""

import argparse
import subprocess
import sys

CODE = """
import resource, sys, time
import numpy as np, torch, disbench
from disbench.models._parts import device
torch.set_num_threads(1)
kept, size, runs = sys.argv[1:]
if kept == "without":
    device.keep_memory = lambda: None
model = disbench.load("diffdis", device="cpu", size=size)
image = np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)
model.predict(image)
found = []
for _ in range(int(runs)):
    start = time.process_time()
    model.predict(image)
    found.append(time.process_time() - start)
print(min(found), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="768")
    parser.add_argument("--runs", default="3")
    chosen = parser.parse_args()
    seconds = {}
    for kept in ("without", "with"):
        command = [sys.executable, "-c", CODE, kept, chosen.size, chosen.runs]
        answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        seconds[kept], resident = map(float, answer.split())
        print(f"{kept}: {seconds[kept]:.2f} s of CPU time, {resident:.0f} MiB resident at most")
    print(f"ratio: {seconds['without'] / seconds['with']:.2f}")
