"""A model and a clock whose times are known."""

import numpy as np

from disbench.timing.rule import TimingRule

SHORT = TimingRule(warm_images=2, warm_seconds=1e-9, images=7, seconds=1e-9)


class Fake:
    """A predictor that is the mean of three channels, spoiled in one way."""

    device, identity = "cpu", {"weights": "none"}

    def __init__(self, flaw=None):
        self.flaw, self.calls = flaw, 0

    def prepare(self, image):
        return image.transpose(2, 0, 1).astype(np.float32) / 255

    def infer(self, batch):
        self.calls += 1
        noise = 0.5 if self.flaw == "random" and self.calls % 2 else 0
        return np.clip(batch.mean(1) - noise, 0, 1)

    def restore(self, output, size):
        return (output * 255).astype(np.uint8)


class Ticks:
    """A device that takes a second for a batch as for one image, up to 8."""

    name = "fake"

    def time(self, function, batch):
        return function(batch), max(1.0, len(batch) / 8)
