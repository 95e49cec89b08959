#include "server/serving/row_pieces.h"

#include <algorithm>
#include <memory>

#include "server/base/status.h"

namespace torchferry::serving {
namespace {

// Bytes of the first `rows` rows of text.
size_t TextEnd(const tensor::HostTensor& tensor, int64_t rows) {
  const std::vector<std::string_view> elements = tensor::TextElements(tensor);
  const size_t count = elements.size() / static_cast<size_t>(tensor.shape[0]) * static_cast<size_t>(rows);
  if (count == 0) return 0;
  const std::string_view last = elements.at(count - 1);
  return static_cast<size_t>(last.data() + last.size() - reinterpret_cast<const char*>(tensor.bytes.data()));
}

tensor::HostTensor RowsOf(const tensor::HostTensor& tensor, int64_t begin, int64_t count) {
  tensor::HostTensor rows = tensor;
  rows.shape[0] = count;
  if (tensor.dtype == tensor::DType::kBytes) {
    const size_t end = TextEnd(tensor, begin + count);
    const size_t start = TextEnd(tensor, begin);
    rows.bytes = tensor.bytes.subspan(start, end - start);
    return rows;
  }
  const size_t row_bytes = tensor.bytes.size() / static_cast<size_t>(tensor.shape[0]);
  rows.bytes = tensor.bytes.subspan(static_cast<size_t>(begin) * row_bytes, static_cast<size_t>(count) * row_bytes);
  return rows;
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
    if (tensor::IsScalar(signature.inputs[i].kind)) continue;
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
