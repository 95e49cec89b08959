// Any bytes as a pickle: no crash, no unbounded time or memory, and references that stay inside the
// tree.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "server/checkpoint/pickle_machine.h"
#include "server/checkpoint/refusal.h"

namespace {

void CheckTree(const torchferry::PickleTree& tree) {
  for (const torchferry::PickleNode& node : tree.nodes) {
    if (node.kind == torchferry::PickleKind::kObject && node.items.size() != 2) std::abort();
    if (node.kind == torchferry::PickleKind::kDict && node.items.size() % 2 != 0) std::abort();
    for (const torchferry::PickleRef ref : node.items) {
      if (ref >= tree.nodes.size()) std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const torchferry::PickleGlobals* globals :
       {&torchferry::CheckpointGlobals(), &torchferry::TorchScriptGlobals()}) {
    torchferry::PickleTree tree;
    const absl::Status status = torchferry::ReadPickle(input, *globals, tree);
    CheckTree(tree);
    if (status.ok() && tree.root >= tree.nodes.size()) std::abort();
    if (!tree.foreign.empty() && torchferry::RefuseForeign(tree).ok()) std::abort();
  }
  return 0;
}
