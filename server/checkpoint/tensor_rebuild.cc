#include "server/checkpoint/tensor_rebuild.h"

#include <array>
#include <optional>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/limits.h"

namespace torchferry::checkpoint {
namespace {

// A call as the pickle wrote it down.
struct Call {
  std::string_view function;
  PickleRef arguments = kNoPickleRef;
};

bool IsRebuildModule(const PickleNode& name) {
  return name.kind == PickleKind::kGlobal && name.role == GlobalRole::kCallable &&
         (name.text == "torch._utils" || name.text == "torch._tensor");
}

std::optional<Call> CallAt(const PickleTree& tree, PickleRef ref) {
  const PickleNode& node = tree[ref];
  if (node.kind != PickleKind::kObject) return std::nullopt;
  const PickleNode& callable = tree[node.items[0]];
  if (!IsRebuildModule(callable)) return std::nullopt;
  return Call{callable.name, node.items[1]};
}

// The call that makes the tensor itself, behind the wrappers for parameters and subclasses. They
// nest twice at most; the bound is for hostile ones.
std::optional<Call> TensorCall(const PickleTree& tree, PickleRef ref) {
  constexpr int kMaxWrappers = 4;
  std::optional<Call> call = CallAt(tree, ref);
  for (int i = 0; call.has_value() && i < kMaxWrappers; ++i) {
    const std::vector<PickleRef>& arguments = tree[call->arguments].items;
    if (call->function == "_rebuild_parameter" || call->function == "_rebuild_parameter_with_state") {
      if (arguments.empty()) return std::nullopt;
      call = CallAt(tree, arguments[0]);
    } else if (call->function == "_rebuild_from_type_v2") {
      // (function, type, arguments, state): a tensor with Python attributes, or of a subclass.
      if (arguments.size() < 3) return std::nullopt;
      const PickleNode& function = tree[arguments[0]];
      if (!IsRebuildModule(function) || tree[arguments[2]].kind != PickleKind::kTuple) {
        return std::nullopt;
      }
      call = Call{function.name, arguments[2]};
    } else {
      return call;
    }
  }
  return std::nullopt;
}

struct UnsupportedKind {
  std::string_view function;
  std::string_view what;
};

constexpr std::array kUnsupported = {
    UnsupportedKind{"_rebuild_qtensor",
                    "is quantised; in Python, torch.save({k: v.dequantize() for k, v in "
                    "torch.load(\"model.pt\").items()}, \"model.pt\") saves float weights; or serve the model as "
                    "TorchScript"},
    UnsupportedKind{"_rebuild_sparse_tensor",
                    "is sparse; in Python, torch.save({k: v.to_dense() for k, v in torch.load(\"model.pt\").items()}, "
                    "\"model.pt\")"},
    UnsupportedKind{"_rebuild_nested_tensor", "is a nested tensor; save padded tensors instead"},
    UnsupportedKind{"_rebuild_meta_tensor_no_storage",
                    "is on the meta device and has no values; "
                    "save the model after loading its weights"},
    UnsupportedKind{"_rebuild_wrapper_subclass",
                    "is of a tensor subclass (torchao, DTensor, …); "
                    "save plain tensors"},
    UnsupportedKind{"_rebuild_device_tensor_from_numpy",
                    "was saved from a device without its own "
                    "storage; save its .cpu()"},
    UnsupportedKind{"_rebuild_device_tensor_from_cpu_tensor",
                    "was saved from a device without its "
                    "own storage; save its .cpu()"},
    UnsupportedKind{"_rebuild_xla_tensor", "was saved from an XLA device; save its .cpu()"},
};

// Sizes or strides: a tuple of ints, or torch.Size of one.
absl::StatusOr<std::vector<int64_t>> Counts(const PickleTree& tree, PickleRef ref, std::string_view what) {
  const PickleNode* node = &tree[ref];
  if (node->kind == PickleKind::kObject && tree[node->items[0]].text == "torch" &&
      tree[node->items[0]].name == "Size" && tree[node->items[1]].items.size() == 1) {
    node = &tree[tree[node->items[1]].items[0]];
  }
  if (node->kind != PickleKind::kTuple && node->kind != PickleKind::kList) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "its {} is a {}, not a tuple", what, Name(node->kind));
  }
  if (node->items.size() > limits::kMaxRank) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "has {} dimensions; at most {} are read", node->items.size(),
                            limits::kMaxRank);
  }
  std::vector<int64_t> counts;
  for (const PickleRef item : node->items) {
    if (tree[item].kind != PickleKind::kInt || tree[item].integer < 0) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "its {} holds {}, which is no count", what,
                              tree[item].kind == PickleKind::kInt ? fmt::format("{}", tree[item].integer)
                                                                  : std::string(Name(tree[item].kind)));
    }
    counts.push_back(tree[item].integer);
  }
  return counts;
}

// torch.Tensor.conj() and ._neg_view() are lazy: the bytes in the file are not the values yet.
absl::Status CheckMetadata(const PickleTree& tree, PickleRef metadata) {
  const std::vector<PickleRef>& items = tree[metadata].items;
  if (tree[metadata].kind != PickleKind::kDict) return absl::OkStatus();
  // PyTorch has a handful; a million tensors with the same million entries would take forever.
  if (items.size() > limits::kMaxTensorMetadata) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "has {} values of metadata; at most {} are read", items.size(),
                            limits::kMaxTensorMetadata);
  }
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    const std::string_view key = tree[items[i]].text;
    if ((key == "conj" || key == "neg") && tree[items[i + 1]].integer != 0) {
      return absl::InvalidArgumentError(
          "is a lazily conjugated or negated view; in Python, torch.save({k: v.resolve_conj().resolve_neg() for k, v "
          "in "
          "torch.load(\"model.pt\").items()}, \"model.pt\")");
    }
  }
  return absl::OkStatus();
}

// How many elements of it lie in one byte.
int64_t ElementsInByte(const StorageType& type) {
  return type.name == "QUInt4x2Storage" ? 2 : type.name == "QUInt2x4Storage" ? 4 : 1;
}

absl::StatusOr<tensor::DType> DTypeAt(const PickleTree& tree, PickleRef ref) {
  const PickleNode& node = tree[ref];
  const TorchDType* type =
      node.kind == PickleKind::kGlobal && node.text == "torch" ? FindTorchDType(node.name) : nullptr;
  if (type == nullptr) return absl::DataLossError("its dtype is no torch dtype");
  if (type->dtype == tensor::DType::kInvalid) {
    return base::MakeStatus(
        absl::StatusCode::kInvalidArgument,
        "is of dtype torch.{}, which is not served; in Python, torch.save({{k: v.float() for k, v in "
        "torch.load(\"model.pt\").items()}}, \"model.pt\") converts it",
        type->name);
  }
  return type->dtype;
}

}  // namespace

bool IsTensor(const PickleTree& tree, PickleRef ref) {
  const std::optional<Call> call = TensorCall(tree, ref);
  return call.has_value() && call->function.starts_with("_rebuild_");
}

absl::StatusOr<TensorInfo> TensorRebuilder::Rebuild(PickleRef ref) {
  const std::optional<Call> call = TensorCall(tree_, ref);
  if (!call.has_value()) return absl::DataLossError("is no tensor");
  for (const UnsupportedKind& kind : kUnsupported) {
    if (call->function == kind.function) return absl::InvalidArgumentError(std::string(kind.what));
  }
  return RebuildStrided(call->function, tree_[call->arguments]);
}

absl::StatusOr<TensorInfo> TensorRebuilder::RebuildStrided(std::string_view function, const PickleNode& arguments) {
  // (storage, storage_offset, size, stride[, requires_grad, backward_hooks[, v3: dtype][,
  // metadata]])
  const std::vector<PickleRef>& items = arguments.items;
  const bool has_dtype = function == "_rebuild_tensor_v3";
  const size_t metadata = has_dtype ? 7 : 6;
  const size_t needed = has_dtype ? 7 : function == "_rebuild_tensor" ? 4 : 6;
  if (items.size() < needed || items.size() > metadata + 1) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "{} is called with {} arguments", function, items.size());
  }
  FERRY_ASSIGN_OR_RETURN(const StorageTable::Use use, storages_.Resolve(tree_, tree_[items[0]]));
  TensorInfo tensor;
  tensor.storage = use.index;
  tensor.dtype = use.type->dtype;
  if (has_dtype) {
    FERRY_ASSIGN_OR_RETURN(tensor.dtype, DTypeAt(tree_, items[6]));
  } else if (tensor.dtype == tensor::DType::kInvalid) {
    return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                            "lies in a torch.{}, which is not served; convert it before saving", use.type->name);
  }
  FERRY_RETURN_IF_ERROR(ReadView(items, tensor));
  if (items.size() > metadata) FERRY_RETURN_IF_ERROR(CheckMetadata(tree_, items[metadata]));
  FERRY_RETURN_IF_ERROR(views_.Check(tensor, storages_.storages()[tensor.storage]));
  return tensor;
}

// Offset, sizes and strides, which follow the storage in every call.
absl::Status TensorRebuilder::ReadView(const std::vector<PickleRef>& items, TensorInfo& tensor) {
  const PickleNode& offset = tree_[items[1]];
  if (offset.kind != PickleKind::kInt || offset.integer < 0) {
    return absl::DataLossError("its storage offset is no count");
  }
  tensor.storage_offset = offset.integer;
  FERRY_ASSIGN_OR_RETURN(tensor.shape, Counts(tree_, items[2], "size"));
  FERRY_ASSIGN_OR_RETURN(tensor.strides, Counts(tree_, items[3], "stride"));
  return absl::OkStatus();
}

absl::Status TensorRebuilder::CheckForLibTorch(PickleRef ref) {
  const std::optional<Call> call = TensorCall(tree_, ref);
  if (!call.has_value()) return absl::DataLossError("is no tensor");
  const bool is_quantised = call->function == "_rebuild_qtensor";
  if (!is_quantised && !call->function.starts_with("_rebuild_tensor")) return Rebuild(ref).status();
  const std::vector<PickleRef>& items = tree_[call->arguments].items;
  if (items.size() < (is_quantised ? 7 : 4)) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "{} is called with {} arguments", call->function,
                            items.size());
  }
  FERRY_ASSIGN_OR_RETURN(const StorageTable::Use use, storages_.Resolve(tree_, tree_[items[0]]));
  TensorInfo tensor;
  tensor.storage = use.index;
  FERRY_RETURN_IF_ERROR(ReadView(items, tensor));
  FERRY_RETURN_IF_ERROR(CheckExtent(tensor, *use.type));
  return is_quantised ? CheckQuantiser(tree_[items[4]], tensor) : absl::OkStatus();
}

absl::Status TensorRebuilder::CheckExtent(const TensorInfo& tensor, const StorageType& type) {
  const StorageInfo& storage = storages_.storages()[tensor.storage];
  if (tensor.strides.size() != tensor.shape.size()) return LeavesStorage(tensor, storage);
  const std::optional<int64_t> elements = Elements(tensor.shape, tensor.shape.size());
  if (!elements.has_value()) return LeavesStorage(tensor, storage);
  const int64_t packed = ElementsInByte(type);
  std::optional<uint64_t> end = EndByte(tensor, type.item_bytes, *elements == 0);
  if (packed > 1 && !tensor.shape.empty()) {
    // Rows of bytes, read one behind the other whatever the strides say.
    const std::optional<int64_t> rows = Elements(tensor.shape, tensor.shape.size() - 1);
    const int64_t row_bytes = tensor.shape.back() / packed + (tensor.shape.back() % packed != 0 ? 1 : 0);
    int64_t bytes = 0;
    if (!rows.has_value() || __builtin_mul_overflow(*rows, row_bytes, &bytes) || tensor.storage_offset != 0) {
      return LeavesStorage(tensor, storage);
    }
    end = static_cast<uint64_t>(bytes);
  }
  return end.has_value() && *end <= storage.size_bytes ? absl::OkStatus() : LeavesStorage(tensor, storage);
}

// (scheme, scale, zero point), or (scheme, scales, zero points, axis) with one of each for every channel.
absl::Status TensorRebuilder::CheckQuantiser(const PickleNode& quantiser, const TensorInfo& tensor) {
  const std::vector<PickleRef>& items = quantiser.items;
  if (quantiser.kind != PickleKind::kTuple || items.size() < 3) {
    return absl::DataLossError("its quantisation is no tuple of 3 values or more");
  }
  const std::string_view scheme = tree_[items[0]].name;
  if (scheme == "per_tensor_affine") return absl::OkStatus();
  if (!scheme.starts_with("per_channel_affine") || items.size() < 4 || tree_[items[3]].kind != PickleKind::kInt) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "is quantised {}, of {} values; that is not read",
                            Quoted(scheme), items.size());
  }
  const int64_t axis = tree_[items[3]].integer;
  if (axis < 0 || static_cast<size_t>(axis) >= tensor.shape.size()) {
    return base::MakeStatus(absl::StatusCode::kDataLoss, "is quantised along axis {} of {}", axis, tensor.shape.size());
  }
  for (const PickleRef values : {items[1], items[2]}) {
    if (!IsTensor(tree_, values)) return absl::DataLossError("is quantised by scales that are no tensors");
    FERRY_ASSIGN_OR_RETURN(const TensorInfo found, Rebuild(values));
    if (found.shape != tensor::Shape{tensor.shape[axis]}) {
      return base::MakeStatus(absl::StatusCode::kDataLoss, "is quantised by {} scales for {} channels",
                              tensor::ToString(found.shape), tensor.shape[axis]);
    }
  }
  return absl::OkStatus();
}

}  // namespace torchferry::checkpoint
