// Removes from a state_dict's keys the prefixes that wrappers added. These are DataParallel's `module.`,
// torch.compile's `_orig_mod.`, FSDP's `_fsdp_wrapped_module.`, activation checkpointing's
// `_checkpoint_wrapped_module.` and PyTorch Lightning's `model.`. Pure.
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

// The known names of the architecture.
struct ArchitectureNames {
  // With architecture.pt or architecture.pt2: the names of its tensors. The prefixes are chosen so that most keys are
  // found there.
  std::optional<std::set<std::string, std::less<>>> tensors;
  // With forward.py: whether it reads an attribute of that name. Such a name is no wrapper's prefix. Null: the
  // attributes are not known.
  std::function<bool(std::string_view)> mentions;
};

struct KeyNames {
  // One name for each key, in their order. Empty: the key is left out (AveragedModel's counter `n_averaged`).
  std::vector<std::string> names;
  std::vector<std::string> removed;    // "module.", each once
  std::vector<std::string> decisions;  // a sentence each
};

// `strip_prefix` is state_dict.strip_prefix of the configuration. If present, it decides alone; "" strips nothing.
// `is_lightning` is CheckpointIndex::is_lightning.
// INVALID_ARGUMENT: two keys would get the same name, or no key begins with `strip_prefix`. The same code is for the
// keys of FSDP's flat parameters, and for keys longer than limits.h allows. Time and memory are linear in the keys.
absl::StatusOr<KeyNames> PlanKeyNames(std::span<const std::string> keys, const std::optional<std::string>& strip_prefix,
                                      bool is_lightning, const ArchitectureNames& architecture);

// Whether Python source reads an attribute called `name`, by `self.name` or `getattr(self, "name")`.
bool MentionsAttribute(std::string_view source, std::string_view name);

}  // namespace torchferry::plan
