#include "server/checkpoint/exported_samples.h"

#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/archive_pickle.h"
#include "server/checkpoint/display.h"
#include "server/checkpoint/entry_bytes.h"
#include "server/checkpoint/limits.h"
#include "server/checkpoint/refusal.h"
#include "server/checkpoint/storage_table.h"
#include "server/checkpoint/tensor_rebuild.h"
#include "server/checkpoint/zip.h"

namespace torchferry::checkpoint {
namespace {

using ArgumentKind = GraphArgument::Kind;

std::vector<const ProgramInput*> CallerInputs(const ExportedProgram& program) {
  std::vector<const ProgramInput*> inputs;
  for (const ProgramInput& input : program.inputs) {
    if (input.kind == ProgramInput::Kind::kUser || input.kind == ProgramInput::Kind::kSpecialised) {
      inputs.push_back(&input);
    }
  }
  return inputs;
}

absl::Status OtherCount(size_t inputs) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                          "the example inputs are not as many as the {} inputs of the program", inputs);
}

// The leaves of a pickle's tree, in order. A tree may name one value many times, so the steps are counted.
class Flattener {
 public:
  Flattener(const PickleTree& tree, size_t max_leaves) : tree_(tree), max_leaves_(max_leaves) {}

  absl::Status Visit(PickleRef ref, size_t depth) {
    if (++steps_ > kMaxSteps || depth > kMaxDepth) {
      return absl::DataLossError("the example inputs nest too deep, or hold themselves");
    }
    const PickleNode& node = tree_[ref];
    if (IsTensor(tree_, ref)) return AddLeaf(ref);
    switch (node.kind) {
      case PickleKind::kTuple:
      case PickleKind::kList:
        return VisitItems(node, 0, 1, depth);
      case PickleKind::kDict:
        return VisitItems(node, 1, 2, depth);
      case PickleKind::kNone:
      case PickleKind::kBool:
      case PickleKind::kInt:
      case PickleKind::kFloat:
      case PickleKind::kString:
        return AddLeaf(ref);
      default:
        return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                                "the example inputs hold a {} of Python, whose parts are not known", Name(node.kind));
    }
  }

  const std::vector<PickleRef>& leaves() const { return leaves_; }

 private:
  static constexpr size_t kMaxSteps = 100'000;
  static constexpr size_t kMaxDepth = 100;

  absl::Status VisitItems(const PickleNode& node, size_t first, size_t step, size_t depth) {
    for (size_t i = first; i < node.items.size(); i += step) {
      FERRY_RETURN_IF_ERROR(Visit(node.items[i], depth + 1));
    }
    return absl::OkStatus();
  }

  absl::Status AddLeaf(PickleRef ref) {
    if (leaves_.size() == max_leaves_) return OtherCount(max_leaves_);
    leaves_.push_back(ref);
    return absl::OkStatus();
  }

  const PickleTree& tree_;
  const size_t max_leaves_;
  size_t steps_ = 0;
  std::vector<PickleRef> leaves_;
};

GraphArgument ValueOf(const PickleNode& node) {
  GraphArgument value;
  switch (node.kind) {
    case PickleKind::kBool:
      value.kind = ArgumentKind::kBool;
      value.integer = node.integer;
      break;
    case PickleKind::kInt:
      value.kind = ArgumentKind::kInt;
      value.integer = node.integer;
      break;
    case PickleKind::kFloat:
      value.kind = ArgumentKind::kFloat;
      value.number = node.real;
      break;
    case PickleKind::kString:
      value.kind = ArgumentKind::kString;
      value.text = node.text;
      break;
    default:
      break;  // kNone
  }
  return value;
}

// Whether the program may be called with the sample.
bool Fits(const ExportedProgram& program, const ProgramInput& input, const GraphArgument& value,
          const TensorInfo* tensor) {
  if (input.kind == ProgramInput::Kind::kSpecialised) return tensor == nullptr;
  const auto stated = program.graph.tensors.find(input.name);
  if (stated == program.graph.tensors.end()) {
    return value.kind == ArgumentKind::kInt || value.kind == ArgumentKind::kFloat || value.kind == ArgumentKind::kBool;
  }
  return tensor != nullptr && HasForm(*tensor, stated->second);
}

absl::StatusOr<ProgramSamples> ReadTree(const ExportedProgram& program, std::shared_ptr<const ZipArchive> archive) {
  FERRY_RETURN_IF_ERROR(CheckByteOrder(*archive));
  FERRY_ASSIGN_OR_RETURN(const std::unique_ptr<ArchivePickle> pickle,
                         ReadArchivePickle(*archive, "data.pkl", CheckpointGlobals(), JudgeCheckpoint));
  const std::vector<const ProgramInput*> inputs = CallerInputs(program);
  Flattener flat(pickle->tree, inputs.size());
  FERRY_RETURN_IF_ERROR(flat.Visit(pickle->tree.root, 0));
  if (flat.leaves().size() != inputs.size()) return OtherCount(inputs.size());
  const ZipStorages source(*archive, "data");
  StorageTable storages(source);
  TensorRebuilder rebuilder(pickle->tree, storages);
  ProgramSamples samples;
  CheckpointIndex index;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const PickleRef leaf = flat.leaves()[i];
    const bool is_tensor = IsTensor(pickle->tree, leaf);
    GraphArgument value = ValueOf(pickle->tree[leaf]);
    if (is_tensor) {
      absl::StatusOr<TensorInfo> tensor = rebuilder.Rebuild(leaf);
      if (!tensor.ok()) return base::Annotate(tensor.status(), fmt::format("example {}", Quoted(inputs[i]->name)));
      value.kind = ArgumentKind::kTensor;
      value.integer = static_cast<int64_t>(index.tensors.size());
      tensor->key = inputs[i]->name;
      index.tensors.push_back(*std::move(tensor));
    }
    if (!Fits(program, *inputs[i], value, is_tensor ? &index.tensors.back() : nullptr)) {
      return base::MakeStatus(absl::StatusCode::kInvalidArgument,
                              "the example of input {} has another type or shape than the program expects",
                              Quoted(inputs[i]->name));
    }
    samples.values.push_back(std::move(value));
  }
  index.storages = storages.storages();
  uint64_t bytes = 0;
  for (const StorageInfo& storage : index.storages) bytes += storage.size_bytes;
  if (bytes > limits::kMaxSampleBytes) {
    return base::MakeStatus(absl::StatusCode::kResourceExhausted,
                            "the example inputs have {} bytes; at most {} are read", bytes, limits::kMaxSampleBytes);
  }
  samples.tensors = std::make_unique<Checkpoint>(
      std::move(index), storages.BytesWith(std::make_unique<EntryBytes>(std::move(archive), storages.places())));
  return samples;
}

}  // namespace

absl::StatusOr<ProgramSamples> ReadProgramSamples(const ExportedProgram& program) {
  if (program.samples == nullptr) return absl::NotFoundError("the program has no example inputs");
  FERRY_ASSIGN_OR_RETURN(std::shared_ptr<const ZipArchive> archive, ZipArchive::Open(program.samples));
  absl::StatusOr<ProgramSamples> samples = ReadTree(program, std::move(archive));
  if (!samples.ok()) return base::Annotate(samples.status(), program.samples->name());
  return samples;
}

}  // namespace torchferry::checkpoint
