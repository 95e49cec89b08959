#include "server/plan/memory_facts.h"

#include <algorithm>
#include <span>

namespace torchferry::plan {
namespace {

// A node of a torch.export program is a line of TorchScript.
constexpr uint64_t kCodeBytesOfNode = 80;

// `infos`: of the module; `storages`: those that they are in.
void AddWeights(std::span<const checkpoint::TensorInfo* const> infos,
                const std::vector<checkpoint::StorageInfo>& storages, LoadMemoryFacts& facts) {
  std::vector<bool> is_typed(storages.size(), false);
  for (const checkpoint::TensorInfo* info : infos) {
    if (is_typed.at(info->storage)) continue;
    is_typed[info->storage] = true;
    facts.typed.push_back({info->dtype, storages[info->storage].size_bytes});
  }
  for (const checkpoint::StorageInfo& storage : storages) facts.weight_bytes += storage.size_bytes;
}

uint64_t LargestStorage(const checkpoint::Checkpoint& checkpoint) {
  uint64_t largest = 0;
  for (const checkpoint::StorageInfo& storage : checkpoint.storages()) largest = std::max(largest, storage.size_bytes);
  return largest;
}

uint64_t NodesOf(const checkpoint::ExportedGraph& graph);

uint64_t NodesIn(const checkpoint::GraphArgument& argument) {
  uint64_t nodes = argument.graph == nullptr ? 0 : NodesOf(*argument.graph);
  for (const checkpoint::GraphArgument& item : argument.items) nodes += NodesIn(item);
  return nodes;
}

uint64_t NodesOf(const checkpoint::ExportedGraph& graph) {
  uint64_t nodes = graph.nodes.size();
  for (const checkpoint::GraphNode& node : graph.nodes) {
    for (const checkpoint::NamedArgument& input : node.inputs) nodes += NodesIn(input.value);
  }
  return nodes;
}

}  // namespace

// PyTorch has kernels for quantised weights on the CPU only, but for a few that nothing in an archive tells apart.
bool IsQuantized(const PlannedVersion& planned) {
  if (!planned.script.has_value()) return false;
  return std::ranges::any_of(planned.script->code_texts,
                             [](const std::string& code) { return code.find("ops.quantized.") != std::string::npos; });
}

LoadMemoryFacts MemoryFactsOf(const PlannedVersion& planned) {
  LoadMemoryFacts facts;
  std::vector<const checkpoint::TensorInfo*> infos;
  if (planned.script.has_value()) {
    for (const checkpoint::ModuleTensor& entry : planned.script->tensors) infos.push_back(&entry.tensor);
    AddWeights(infos, planned.script->storages, facts);
    for (const std::string& text : planned.script->code_texts) facts.code_bytes += text.size();
    facts.is_quantized = IsQuantized(planned);
    if (planned.checkpoint == nullptr) return facts;
    facts.copied_bytes = LargestStorage(*planned.checkpoint);
    return facts;
  }
  // The module is made of the architecture's tensors, and the state_dict's are copied over them.
  const bool has_own = planned.architecture_weights == nullptr;
  const checkpoint::Checkpoint& module = has_own ? *planned.checkpoint : *planned.architecture_weights;
  for (const checkpoint::TensorInfo& tensor : module.tensors()) infos.push_back(&tensor);
  AddWeights(infos, module.storages(), facts);
  if (planned.program != nullptr) facts.code_bytes = NodesOf(planned.program->graph) * kCodeBytesOfNode;
  if (!has_own) facts.copied_bytes = LargestStorage(*planned.checkpoint);
  return facts;
}

}  // namespace torchferry::plan
