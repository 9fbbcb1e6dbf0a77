"""What NVIDIA's driver tells of a GPU through nvidia-ml-py, which torch, too, needs for clocks and heat."""

INSTALL = "pip install 'disbench[gpu]'"
SLOWED = {  # nvmlClocksEventReasons: what is wrong with the machine; a GPU at its power cap is one that works
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
    """Its version, "550.54.15". ModuleNotFoundError without nvidia-ml-py, else its NVMLError, as from `reasons`."""
    import pynvml

    pynvml.nvmlInit()
    return pynvml.nvmlSystemGetDriverVersion()


def read_slowdown_reasons(device: str) -> list[str]:
    """Why the clocks of "cuda:1" are not the highest at this moment; none where they are."""
    import pynvml
    import torch

    pynvml.nvmlInit()
    name = f"GPU-{torch.cuda.get_device_properties(device).uuid}"  # its number is another under CUDA_VISIBLE_DEVICES
    bits = pynvml.nvmlDeviceGetCurrentClocksEventReasons(pynvml.nvmlDeviceGetHandleByUUID(name))
    return [words for bit, words in REASONS.items() if bits & bit]
