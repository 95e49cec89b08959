// LibTorch's headers, precompiled once for this folder: they are most of the compile time of a file here.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/jit/ir/ir.h>
#include <torch/script.h>
