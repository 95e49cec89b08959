#include "server/serving/row_pieces.h"

#include <algorithm>
#include <memory>

#include "server/base/status.h"

namespace torchferry::serving {
namespace {

tensor::HostTensor RowsOf(const tensor::HostTensor& tensor, int64_t begin, int64_t count) {
  const size_t row_bytes = tensor.bytes.size() / static_cast<size_t>(tensor.shape[0]);
  tensor::HostTensor rows = tensor;
  rows.shape[0] = count;
  rows.bytes = tensor.bytes.subspan(static_cast<size_t>(begin) * row_bytes, static_cast<size_t>(count) * row_bytes);
  return rows;
}

bool HasRows(tensor::ArgumentKind kind) {
  return kind == tensor::ArgumentKind::kTensor || kind == tensor::ArgumentKind::kOptionalTensor ||
         kind == tensor::ArgumentKind::kTensorList;
}

bool FitTogether(const tensor::HostTensor& a, const tensor::HostTensor& b) {
  return a.dtype == b.dtype && a.shape.size() == b.shape.size() && !a.shape.empty() &&
         std::equal(a.shape.begin() + 1, a.shape.end(), b.shape.begin() + 1);
}

}  // namespace

tensor::BoundInputs RowsOf(const tensor::Signature& signature, const tensor::BoundInputs& inputs, int64_t begin,
                           int64_t count) {
  tensor::BoundInputs piece = inputs;
  piece.rows = count;
  for (size_t i = 0; i < piece.values.size(); ++i) {
    if (!HasRows(signature.inputs[i].kind)) continue;
    for (tensor::HostTensor& tensor : piece.values[i]) tensor = RowsOf(tensor, begin, count);
  }
  return piece;
}

absl::StatusOr<model::Outputs> JoinRows(const std::vector<model::Outputs>& pieces) {
  model::Outputs joined = pieces.at(0);
  for (size_t i = 0; i < joined.size(); ++i) {
    tensor::HostTensor& tensor = joined[i].tensor;
    const auto bytes = std::make_shared<std::vector<std::byte>>();
    int64_t rows = 0;
    for (const model::Outputs& piece : pieces) {
      if (piece.size() != joined.size() || piece[i].name != joined[i].name || !FitTogether(piece[i].tensor, tensor)) {
        return base::MakeStatus(
            absl::StatusCode::kInternal,
            "output \"{}\" has shape {} for some rows of the request and {} for others, which do not fit together",
            joined[i].name, tensor::ToString(tensor.shape),
            piece.size() == joined.size() ? tensor::ToString(piece[i].tensor.shape) : "none");
      }
      rows += piece[i].tensor.shape[0];
      bytes->insert(bytes->end(), piece[i].tensor.bytes.begin(), piece[i].tensor.bytes.end());
    }
    tensor.shape[0] = rows;
    tensor.bytes = *bytes;
    tensor.owner = bytes;
  }
  return joined;
}

}  // namespace torchferry::serving
