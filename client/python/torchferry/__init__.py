"""torchferry: a gRPC inference server for PyTorch models.

The wheel has the programs `torchferry-server` and `torchferry`. They use the `torch` that is installed beside this package.
"""

from importlib import metadata

__version__ = metadata.version("torchferry")
