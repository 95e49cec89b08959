// How deep a pickle's values nest, told before LibTorch, which recurses, is given it.
#pragma once

#include <absl/status/status.h>

#include "server/checkpoint/pickle_value.h"

namespace torchferry::checkpoint {

// DATA_LOSS: values inside each other, or types in the text of a restore_type_tag, deeper than limits.h allows, or a
// value inside itself.
absl::Status CheckPickleDepth(const PickleTree& tree);

}  // namespace torchferry::checkpoint
