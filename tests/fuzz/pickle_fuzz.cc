// Any bytes as a pickle: no crash, no unbounded time or memory, and references that stay inside the
// tree.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/checkpoint/pickle_machine.h"
#include "server/checkpoint/refusal.h"

namespace {

void CheckTree(const torchferry::checkpoint::PickleTree& tree) {
  for (const torchferry::checkpoint::PickleNode& node : tree.nodes) {
    if (node.kind == torchferry::checkpoint::PickleKind::kObject && node.items.size() != 2) std::abort();
    if (node.kind == torchferry::checkpoint::PickleKind::kDict && node.items.size() % 2 != 0) std::abort();
    for (const torchferry::checkpoint::PickleRef ref : node.items) {
      if (ref >= tree.nodes.size()) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const torchferry::checkpoint::PickleGlobals* globals :
       {&torchferry::checkpoint::CheckpointGlobals(), &torchferry::checkpoint::TorchScriptGlobals()}) {
    torchferry::checkpoint::PickleTree tree;
    const absl::Status status = torchferry::checkpoint::ReadPickle(input, *globals, tree);
    CheckTree(tree);
    if (status.ok() && tree.root >= tree.nodes.size()) std::abort();
    if (tree.foreign.empty()) continue;
    if (torchferry::checkpoint::RefuseObjects(tree).ok()) std::abort();
    if (torchferry::checkpoint::JudgeTorchScript(tree, status).ok()) std::abort();
  }
  return 0;
}
