"""Readings of a GPU by NVIDIA's driver, through nvidia-ml-py. torch needs it too, for clocks and temperatures."""

INSTALL = "pip install 'disbench[gpu]'"
# nvmlClocksEventReasons that mean trouble. A GPU at its power cap is not among them: it just works at full load.
SLOWED = {
    0x08: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}
REASONS = {
    0x01: "idle",
    0x02: "clocks that were set",
    0x04: "power cap",
    0x10: "sync boost",
    0x100: "display clocks",
    **SLOWED,
}


def read_driver_version() -> str:
    """Read the version of the driver, such as "550.54.15".

    Raises:
        ModuleNotFoundError: without nvidia-ml-py.
        NVMLError: where the driver does not answer.
    """
    import pynvml

    pynvml.nvmlInit()
    return pynvml.nvmlSystemGetDriverVersion()


def read_slowdown_reasons(device: str) -> list[str]:
    """Read why the clocks of a device such as "cuda:1" are not the highest now. Empty where they are.

    Raises the same errors as `read_driver_version`.
    """
    import pynvml
    import torch

    pynvml.nvmlInit()
    name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"  # CUDA_VISIBLE_DEVICES renumbers devices
    bits = pynvml.nvmlDeviceGetCurrentClocksEventReasons(pynvml.nvmlDeviceGetHandleByUUID(name))
    return [words for bit, words in REASONS.items() if bits & bit]
