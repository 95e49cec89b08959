#include "server/model/model.h"

#include <cstring>

#include "server/base/status.h"

namespace torchferry::model {
namespace {

void AppendInt(std::string& key, int64_t value) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  key.append(bytes, sizeof(bytes));
}

}  // namespace

absl::StatusOr<std::shared_ptr<Model>> Model::Clone() const {
  return absl::UnimplementedError("the model keeps no state, so there is nothing to copy");
}

std::string BatchKey(const tensor::Signature& signature, const tensor::BoundInputs& inputs) {
  std::string key;
  for (size_t i = 0; i < inputs.values.size(); ++i) {
    AppendInt(key, static_cast<int64_t>(inputs.values[i].size()));
    if (const auto keys = inputs.keys.find(i); keys != inputs.keys.end()) {
      for (const std::string& name : keys->second) {
        AppendInt(key, static_cast<int64_t>(name.size()));
        key += name;
      }
    }
    for (const tensor::HostTensor& tensor : inputs.values[i]) {
      key += static_cast<char>(tensor.dtype);
      if (IsScalar(signature.inputs[i].kind)) {
        key.append(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
        continue;
      }
      AppendInt(key, static_cast<int64_t>(tensor.shape.size()));
      for (size_t d = signature.HasBatchDimension() ? 1 : 0; d < tensor.shape.size(); ++d) {
        AppendInt(key, tensor.shape[d]);
      }
    }
  }
  return key;
}

}  // namespace torchferry::model
