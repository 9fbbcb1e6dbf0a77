"""Free memory, and the line about too little of it."""

import pytest
import torch

from disbench.system.device_memory import free_memory, is_out_of_memory, make_out_of_memory

GIB = 1 << 30


def write_system(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MACHINE = {"proc/meminfo": f"MemTotal: 99 kB\nMemFree: 1 kB\nMemAvailable: {8 * GIB // 1024} kB\n"}
V2 = MACHINE | {
    "proc/self/cgroup": "0::/job/step\n",
    "proc/self/mountinfo": "1 2 0:3 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
    "sys/fs/cgroup/job/memory.max": f"{4 * GIB}\n",
    "sys/fs/cgroup/job/memory.current": f"{3 * GIB}\n",
    "sys/fs/cgroup/job/memory.stat": f"anon 5\ninactive_file {GIB // 2}\n",
    "sys/fs/cgroup/job/step/memory.max": "max\n",
    "sys/fs/cgroup/job/step/memory.current": "1\n",
}
V1 = MACHINE | {
    "proc/self/cgroup": "4:memory:/job\n3:cpu:/other\n",
    "proc/self/mountinfo": "1 2 0:3 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
    "sys/fs/cgroup/memory/job/memory.limit_in_bytes": f"{2 * GIB}",
    "sys/fs/cgroup/memory/job/memory.usage_in_bytes": f"{GIB}",
}


@pytest.mark.parametrize(
    ("files", "free"),
    [(MACHINE, 8 * GIB), (V2, GIB * 3 // 2), (V1, GIB), ({}, None)],
    ids=["plain", "v2", "v1", "none"],
)
def test_free_memory_is_what_the_machine_and_its_groups_leave(tmp_path, files, free):
    assert free_memory("cpu", write_system(tmp_path, files)) == free


def test_free_memory_of_a_gpu_is_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: ({"cuda:1": 7}[device], 9))
    assert free_memory("cuda:1") == 7
    assert free_memory("mps") is None


@pytest.mark.parametrize(
    ("error", "is_memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_errors_of_too_little_memory_are_recognised(error, is_memory):
    assert is_out_of_memory(error) is is_memory


def test_the_line_has_what_is_known(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (3_100_000_000, 0))
    error = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 123456 bytes.")
    line = str(make_out_of_memory("Net", "cuda:0", error, "do this"))
    assert line == "Net: out of memory on cuda:0 (it needs 123456 bytes more, 3.1 GB are free); do this"
    assert str(make_out_of_memory("Net", "mps", RuntimeError("?"), "do this")) == "Net: out of memory on mps; do this"
