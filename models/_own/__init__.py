"""Adapters for models without a folder: ONNX, TorchScript and torch.export files, Hugging Face, a Python file."""
