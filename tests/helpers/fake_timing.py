"""A predictor and a clock for timings, whose times are exact."""

import numpy as np

from disbench.timing.measure import TimingRequest
from disbench.timing.rule import TimingRule

SHORT = TimingRule(warm_images=2, warm_seconds=1e-9, images=7, seconds=1e-9)
REQUEST = TimingRequest(rule=SHORT)


class FakePredictor:
    """Predicts the mean of three channels. flaw "random": every other map is darker."""

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
    """A clock by which a batch of up to 8 images takes one second, and a larger one proportionally longer."""

    name = "fake"

    def time(self, function, *args):
        return function(*args), max(1.0, len(args[-1]) / 8)
