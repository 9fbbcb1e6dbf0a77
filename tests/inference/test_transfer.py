"""Copies between host and device: pinned memory, and a stream of its own for the next image."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from fake_timing import FakePredictor

from disbench.data.location import find_dataset
from disbench.inference import transfer
from disbench.inference.model import Model
from disbench.inference.transfer import Uploader, stack_tensors, to_host
from disbench.registry.loading import get_card
from disbench.runs.pipeline import RowMaker, make_rows
from disbench.runs.spec import MeasureSpec

MEASURES = MeasureSpec.parse(metrics="mae")


class Pinned(torch.Tensor):
    """Memory of the host as `_allocate_pinned` returns it, which notes where it is copied to."""

    def to(self, device, non_blocking=False):
        self.copied = device, non_blocking
        return self


class OnGpu:
    """An output on a GPU, of which a buffer makes a copy."""

    is_cuda, shape, dtype = True, (2, 3), torch.float32
    cpu = None


@pytest.fixture
def pinned(monkeypatch):
    buffers = []

    def allocate(shape, dtype):
        buffers.append(torch.empty(shape, dtype=dtype).as_subclass(Pinned))
        return buffers[-1]

    monkeypatch.setattr(transfer, "_allocate_pinned", allocate)
    return buffers


def test_images_for_cuda_are_stacked_in_pinned_memory_and_not_waited_for(pinned):
    images = [torch.full((3, 4, 5), float(k)) for k in range(2)]
    batch = stack_tensors(images, "cuda:1")
    assert batch.copied == ("cuda:1", True) and torch.equal(batch.as_subclass(torch.Tensor), torch.stack(images))
    assert torch.equal(stack_tensors(images, "cpu"), torch.stack(images)) and len(pinned) == 1
    elsewhere = [image.to("meta") for image in images]
    with pytest.raises((AssertionError, RuntimeError), match=r"CUDA|meta"):  # they are stacked where they are
        stack_tensors(elsewhere, "cuda")
    assert len(pinned) == 1


def test_outputs_of_cuda_are_copied_to_pinned_memory(pinned, monkeypatch):
    copied = []
    monkeypatch.setattr(Pinned, "copy_", lambda self, output: copied.append(output))
    output = OnGpu()
    assert to_host(output) is pinned[0] and copied == [output] and pinned[0].shape == output.shape
    assert to_host(tensor := torch.zeros(2)) is tensor and len(pinned) == 1
    assert to_host(array := np.zeros(3)) is array


class FakeStreams:
    """Stands in for torch.cuda: notes in `log` which stream does what, and in which thread."""

    def __init__(self):
        self.log, self.current = [], "main stream"

    @contextmanager
    def device(self, name):
        yield

    @contextmanager
    def stream(self, stream):
        self.current, before = "copy stream", self.current
        yield
        self.current = before

    def Stream(self):  # noqa: N802, the name of torch
        return self

    def current_stream(self, device):
        return self

    def record_event(self):
        self.log.append(("recorded", threading.current_thread()))
        return len([each for each in self.log if each[0] == "recorded"])

    def wait_event(self, event):
        self.log.append((f"waits for {event}", threading.current_thread()))


class Batch(torch.Tensor):
    def record_stream(self, stream):
        stream.log.append(("kept", threading.current_thread()))


def test_a_batch_is_copied_on_its_own_stream_and_waited_for():
    cuda = FakeStreams()
    uploader = Uploader(cuda, "cuda:0")
    parts = tuple(torch.zeros(2).as_subclass(Batch) for _ in range(2))
    uploaded = uploader.upload(lambda: (cuda.log.append((cuda.current, None)), parts)[1])
    assert uploader.receive(uploaded) is parts
    assert [name for name, _ in cuda.log] == ["copy stream", "recorded", "waits for 1", "kept", "kept"]
    assert cuda.current == "main stream"


class OnFakeCuda(FakePredictor):
    """Infers only once the next image has been uploaded, as long as there is one."""

    def __init__(self, uploads, count):
        super().__init__()
        self.uploads, self.count = uploads, count

    def prepare(self, image):
        return torch.from_numpy(super().prepare(image))

    def infer(self, batch):
        self.calls += 1
        for _ in range(500):
            if len(self.uploads) >= min(self.calls + 1, self.count):
                return batch.as_subclass(torch.Tensor).numpy().mean(1)
            threading.Event().wait(0.01)
        raise AssertionError("the next image is not copied while this one is computed")


def test_a_run_copies_the_next_image_while_it_computes(make_pairs, tmp_path, monkeypatch):
    cuda, uploads = FakeStreams(), []
    samples = find_dataset(make_pairs(tmp_path / "data", [f"image{k}" for k in range(5)])).samples
    model = Model(get_card("otsu"), OnFakeCuda(uploads, len(samples)))
    plain = Model(get_card("otsu"), FakePredictor())
    expected = [row.digest for row in make_rows(RowMaker(stages=plain, measures=MEASURES, save_map=None), samples, 0)]
    model.device = "cuda:0"
    model._uploader = Uploader(cuda, "cuda:0")
    upload = Model.upload

    def note(self, prepared):
        uploads.append(threading.current_thread())
        return upload(self, prepared)

    monkeypatch.setattr(Model, "upload", note)
    monkeypatch.setattr(Model, "batch", lambda self, prepared: torch.stack(prepared).as_subclass(Batch))
    rows = list(make_rows(RowMaker(stages=model, measures=MEASURES, save_map=None), samples, 2))
    assert [row.digest for row in rows] == expected
    assert len(set(uploads)) == 1 and threading.current_thread() not in uploads
    waits = [thread for name, thread in cuda.log if name.startswith("waits")]
    assert waits == [threading.current_thread()] * 5


def test_arrays_of_numpy_are_not_copied_ahead(make_pairs, tmp_path):
    """ONNX sessions take them as they are; torch knows no stream of theirs."""
    samples = find_dataset(make_pairs(tmp_path / "data", ["a", "b", "c"])).samples
    model = Model(get_card("otsu"), FakePredictor())
    plain = [row.digest for row in make_rows(RowMaker(stages=model, measures=MEASURES, save_map=None), samples, 0)]
    model.device = "cuda:0"
    model._uploader = Uploader(FakeStreams(), "cuda:0")
    rows = make_rows(RowMaker(stages=model, measures=MEASURES, save_map=None), samples, 2)
    assert [row.digest for row in rows] == plain


def test_without_threads_nothing_is_copied_ahead(make_pairs, tmp_path, monkeypatch):
    samples = find_dataset(make_pairs(tmp_path / "data", ["a", "b"])).samples
    model = Model(get_card("otsu"), FakePredictor())
    model.device = "cuda:0"
    monkeypatch.setattr(Model, "upload", lambda *_: pytest.fail("it is copied ahead"))
    assert len(list(make_rows(RowMaker(stages=model, measures=MEASURES, save_map=None), samples, 0))) == 2
