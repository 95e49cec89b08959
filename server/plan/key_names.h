// The names that a state_dict's keys have once what wrappers added is taken away: DataParallel's
// `module.`, torch.compile's `_orig_mod.`, FSDP's `_fsdp_wrapped_module.`, activation
// checkpointing's `_checkpoint_wrapped_module.`, PyTorch Lightning's `model.`. Pure.
#pragma once

#include <absl/status/statusor.h>

#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace torchferry::plan {

// What is known of the architecture's own names.
struct ArchitectureNames {
  // Of architecture.pt: its tensors. Names are chosen so that most are found there.
  std::optional<std::set<std::string, std::less<>>> tensors;
  // Of forward.py: whether it reads an attribute of that name; such a one is no wrapper. Null:
  // nothing is known.
  std::function<bool(std::string_view)> mentions;
};

struct KeyNames {
  // One for each key, in their order; empty: left out (AveragedModel's counter `n_averaged`).
  std::vector<std::string> names;
  std::vector<std::string> removed;    // "module.", each once
  std::vector<std::string> decisions;  // a sentence each
};

// `strip_prefix`: state_dict.strip_prefix of the configuration, which wins; "" strips nothing.
// `is_lightning`: CheckpointIndex::is_lightning.
// INVALID_ARGUMENT: two keys would get the same name, no key begins with `strip_prefix`, the keys are those of FSDP's
// flat parameters, or they are longer than limits.h allows. Time and memory are linear in the keys.
absl::StatusOr<KeyNames> PlanKeyNames(std::span<const std::string> keys, const std::optional<std::string>& strip_prefix,
                                      bool is_lightning, const ArchitectureNames& architecture);

// Whether Python source reads an attribute called `name`: `self.name`, `getattr(self, "name")`.
bool MentionsAttribute(std::string_view source, std::string_view name);

}  // namespace torchferry::plan
