"""Adapters for models that have no folder: ONNX, TorchScript and torch.export files, Hugging Face, a Python file."""
