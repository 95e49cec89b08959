#include "server/checkpoint/pickle_globals.h"

#include <algorithm>

#include "server/checkpoint/torch_types.h"

namespace torchferry::checkpoint {
namespace {

struct Row {
  std::string_view module;
  std::string_view name;
  GlobalRole role;
};

using enum GlobalRole;

// Beyond PyTorch's own list for weights_only: NumPy scalars and arrays, argparse.Namespace, paths,
// dates and the like, which training scripts leave beside the weights. They are data here and never become
// anything else.
constexpr Row kRows[] = {
    {"collections", "OrderedDict", kMapping},
    {"collections", "Counter", kMapping},
    {"torch._utils", "_rebuild_tensor", kCallable},
    {"torch._utils", "_rebuild_tensor_v2", kCallable},
    {"torch._utils", "_rebuild_tensor_v3", kCallable},
    {"torch._utils", "_rebuild_parameter", kCallable},
    {"torch._utils", "_rebuild_parameter_with_state", kCallable},
    {"torch._tensor", "_rebuild_from_type_v2", kCallable},
    // Recognised so that the refusal can name the tensor and the reason (tensor_rebuild.cc).
    {"torch._utils", "_rebuild_qtensor", kCallable},
    {"torch._utils", "_rebuild_sparse_tensor", kCallable},
    {"torch._utils", "_rebuild_nested_tensor", kCallable},
    {"torch._utils", "_rebuild_meta_tensor_no_storage", kCallable},
    {"torch._utils", "_rebuild_wrapper_subclass", kCallable},
    {"torch._utils", "_rebuild_device_tensor_from_numpy", kCallable},
    {"torch._utils", "_rebuild_device_tensor_from_cpu_tensor", kCallable},
    {"torch._utils", "_rebuild_xla_tensor", kCallable},
    {"torch.serialization", "_get_layout", kCallable},
    {"torch", "Size", kCallable},
    {"torch", "device", kCallable},
    {"torch", "Tensor", kValue},
    {"torch.nn.parameter", "Parameter", kValue},
    {"torch.nn.parameter", "Buffer", kValue},
    {"torch", "per_tensor_affine", kValue},
    {"torch", "per_channel_affine", kValue},
    {"torch", "per_channel_affine_float_qparams", kValue},
    {"torch", "per_tensor_symmetric", kValue},
    {"torch", "per_channel_symmetric", kValue},
    {"_codecs", "encode", kCallable},
    {"builtins", "set", kCallable},
    {"builtins", "frozenset", kCallable},
    {"builtins", "bytearray", kCallable},
    {"builtins", "complex", kCallable},
    {"numpy", "dtype", kCallable},
    {"numpy", "ndarray", kValue},
    {"numpy.core.multiarray", "scalar", kCallable},
    {"numpy.core.multiarray", "_reconstruct", kCallable},
    {"numpy._core.multiarray", "scalar", kCallable},
    {"numpy._core.multiarray", "_reconstruct", kCallable},
    {"numpy.core.numeric", "_frombuffer", kCallable},
    {"numpy._core.numeric", "_frombuffer", kCallable},
    {"builtins", "list", kCallable},
    {"builtins", "dict", kCallable},
    {"builtins", "int", kCallable},
    {"builtins", "float", kCallable},
    {"builtins", "str", kCallable},
    {"builtins", "bool", kCallable},
    {"builtins", "tuple", kCallable},
    {"builtins", "range", kCallable},
    {"builtins", "slice", kCallable},
    {"collections", "defaultdict", kMapping},
    {"datetime", "date", kCallable},
    {"datetime", "datetime", kCallable},
    {"datetime", "time", kCallable},
    {"datetime", "timedelta", kCallable},
    {"datetime", "timezone", kCallable},
    {"decimal", "Decimal", kCallable},
    {"fractions", "Fraction", kCallable},
    {"uuid", "UUID", kClass},
    {"types", "SimpleNamespace", kCallable},
    {"argparse", "Namespace", kClass},
    {"pathlib", "PosixPath", kCallable},
    {"pathlib", "WindowsPath", kCallable},
    {"pathlib", "PurePosixPath", kCallable},
    {"pathlib", "PureWindowsPath", kCallable},
};

// Modules whose functions reach outside the process or run what they are given: with all that is in them, and those
// whose names a package of somebody's own may have, alone.
constexpr std::string_view kDangerousPackages[] = {
    "os",     "posix",  "nt",      "subprocess", "sys",     "shutil",          "socket", "importlib",
    "ctypes", "pickle", "marshal", "pip",        "asyncio", "multiprocessing", "runpy",  "torch.hub",
};
constexpr std::string_view kDangerousModules[] = {"pty", "webbrowser", "code", "pdb", "timeit", "commands", "_pickle"};
// A whole model refers to `builtins.getattr` now and then (bound methods), so that one is not here.
constexpr std::string_view kDangerousBuiltins[] = {"eval",       "exec",     "compile", "open",
                                                   "__import__", "execfile", "input",   "breakpoint"};

bool IsDangerous(std::string_view module, std::string_view name) {
  if (module == "builtins") return std::ranges::count(kDangerousBuiltins, name) > 0;
  if (std::ranges::count(kDangerousModules, module) > 0) return true;
  return std::ranges::any_of(kDangerousPackages, [&](std::string_view package) {
    return module == package || (module.starts_with(package) && module[package.size()] == '.');
  });
}

class CheckpointPolicy final : public PickleGlobals {
 public:
  GlobalRole RoleOf(std::string_view module, std::string_view name) const override {
    // Protocol 2 writes Python 3's builtins under their old module.
    if (module == "__builtin__") module = "builtins";
    for (const Row& row : kRows) {
      if (row.name == name && row.module == module) return row.role;
    }
    if (FindStorageType(module, name) != nullptr) return kValue;
    if (module == "torch" && FindTorchDType(name) != nullptr) return kValue;
    return IsDangerous(module, name) ? kDangerous : kForeign;
  }
};

class TorchScriptPolicy final : public PickleGlobals {
 public:
  GlobalRole RoleOf(std::string_view module, std::string_view name) const override {
    if (module == "torch.jit._pickle") return kCallable;
    if (module == "__torch__" || module.starts_with("__torch__.")) return kClass;
    return CheckpointGlobals().RoleOf(module, name);
  }
};

}  // namespace

const PickleGlobals& CheckpointGlobals() {
  static const CheckpointPolicy kPolicy;
  return kPolicy;
}

const PickleGlobals& TorchScriptGlobals() {
  static const TorchScriptPolicy kPolicy;
  return kPolicy;
}

}  // namespace torchferry::checkpoint
