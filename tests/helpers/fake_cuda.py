"""A fake CUDA device, for clocks and timings on machines without one."""

from contextlib import contextmanager
from types import SimpleNamespace


class FakeCuda:
    """A stand-in for torch.cuda and for pynvml. Its time passes only while it works.

    Methods that are called `# noqa: N802` have the names of torch and of NVML.

    Attributes:
        now: milliseconds of work so far.
        log: the calls, in order.
    """

    def __init__(self):
        self.now, self.log = 0.0, []

    def is_available(self):
        return True

    @contextmanager
    def device(self, name):
        self.log.append(f"on {name}")
        yield

    def synchronize(self):
        self.log.append("synchronize")

    def Event(self, enable_timing):  # noqa: N802
        assert enable_timing
        return FakeEvent(self)

    def get_device_name(self, name):
        return f"a GPU as {name}"

    def get_device_properties(self, name):
        return SimpleNamespace(uuid=f"uuid of {name}")

    def clock_rate(self, name):
        return 1980

    def temperature(self, name):
        raise Exception("Not Supported")  # NVMLError derives from Exception directly

    def utilization(self, name):
        return 7

    def reset_peak_memory_stats(self, name):
        self.log.append("reset")

    def max_memory_allocated(self, name):
        self.log.append("peak")
        return 3 << 20

    def max_memory_reserved(self, name):
        return 4 << 20

    def nvmlInit(self):  # noqa: N802
        pass

    def nvmlSystemGetDriverVersion(self):  # noqa: N802
        return "550.54.15"

    def nvmlDeviceGetHandleByUUID(self, name):  # noqa: N802
        assert name == "GPU-uuid of cuda:1"
        return self

    def nvmlDeviceGetCurrentClocksEventReasons(self, handle):  # noqa: N802
        return 0x41 if self.now else 0x1

    def work(self, milliseconds):
        self.log.append("work")
        self.now += milliseconds
        return milliseconds


class FakeEvent:
    def __init__(self, cuda):
        self.cuda = cuda

    def record(self):
        self.cuda.log.append("record")
        self.at = self.cuda.now

    def synchronize(self):
        self.cuda.log.append("wait")

    def elapsed_time(self, end):
        assert self.cuda.log[-1] == "wait", "read before the device has reached it"
        return end.at - self.at
