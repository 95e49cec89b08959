// Whole checkpoints and TorchScript archives. Bytes that begin like a zip, a legacy checkpoint or a
// safetensors file are one; all others become the data.pkl of a sound archive with two storages, since a
// fuzzer seldom finds its way through the directory.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "check_tensors.h"
#include "server/checkpoint/checkpoint.h"
#include "server/checkpoint/legacy_checkpoint.h"
#include "server/checkpoint/safetensors.h"
#include "server/checkpoint/test_zip.h"
#include "server/checkpoint/torchscript.h"
#include "server/plan/key_names.h"
#include "server/plan/state_dict_key.h"

namespace {

using torchferry::checkpoint::Checkpoint;
using torchferry::checkpoint::TensorInfo;
using torchferry::checkpoint::testing::CheckTensors;

std::string ArchiveWith(std::string pickle) {
  return torchferry::checkpoint::testing::ZipBuilder()
      .Add("m/data.pkl", std::move(pickle))
      .Add("m/data/0", std::string(16, '\x01'))
      .Add("m/data/1", std::string(64, '\x02'))
      .Add("m/code/__torch__.py", "class M(Module):\n")
      .Build();
}

// Names stay one to one.
void CheckNames(const Checkpoint& checkpoint) {
  std::vector<std::string> keys;
  for (const TensorInfo& tensor : checkpoint.tensors()) keys.push_back(tensor.key);
  for (const bool is_lightning : {false, true}) {
    const auto names = torchferry::plan::PlanKeyNames(keys, std::nullopt, is_lightning, {});
    if (names.ok() && names->names.size() != keys.size()) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (!bytes.starts_with("PK") && !torchferry::checkpoint::HasLegacyMagic(bytes) &&
      !torchferry::checkpoint::HasSafetensorsHeader(bytes)) {
    bytes = ArchiveWith(std::move(bytes));
  }
  const std::shared_ptr<const torchferry::checkpoint::File> file =
      torchferry::checkpoint::File::FromBytes(std::move(bytes), "fuzz");
  for (const std::string key : {"", "model", "a.b"}) {
    const auto checkpoint = Checkpoint::Open(file, [&](const torchferry::checkpoint::CheckpointOutline& outline) {
      return torchferry::plan::ChooseStateDictKey(outline, key);
    });
    if (!checkpoint.ok()) continue;
    CheckTensors(**checkpoint);
    CheckNames(**checkpoint);
  }
  (void)torchferry::checkpoint::DescribeTorchScript(file);
  return 0;
}
