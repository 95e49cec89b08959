// Bounds the nesting of a pickle's values before LibTorch, which recurses, gets the pickle.
#pragma once

#include <absl/status/status.h>

#include "server/checkpoint/pickle_value.h"

namespace torchferry::checkpoint {

// DATA_LOSS: values inside each other, or types in the text of a restore_type_tag, deeper than limits.h allows. Also
// DATA_LOSS: a value inside itself.
absl::Status CheckPickleDepth(const PickleTree& tree);

}  // namespace torchferry::checkpoint
