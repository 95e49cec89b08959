// A model's passport: what was written down when it was saved. A JSON text of the format "torchferry-passport", version
// 1: the signature that clients see, where the model comes from, and golden rows, which it answered when it was saved.
// The text is the file's, and so anybody's: what it declares is held against config, program and code, never trusted.
#pragma once

#include <absl/status/statusor.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/checkpoint/exported_json.h"
#include "server/model/provenance.h"
#include "server/plan/golden_fill.h"
#include "server/tensor/dtype.h"
#include "server/tensor/host_tensor.h"
#include "server/tensor/shape.h"

namespace torchferry::plan {

struct PassportTensor {
  std::string name;
  tensor::DType dtype = tensor::DType::kInvalid;
  tensor::Shape dims;  // without the rows where max_batch_size > 0; kAnyDim: any size
};

struct PassportSignature {
  int64_t max_batch_size = 0;  // 0: no batch dimension; else dimension 0 of each tensor is the rows
  std::vector<PassportTensor> inputs;
  std::vector<PassportTensor> outputs;
};

// Tensors by name, with the rows where there are some; they own their bytes. An input is stored or generated.
struct GoldenRow {
  std::map<std::string, tensor::HostTensor> inputs;  // those that are stored
  std::map<std::string, GoldenFill> fills;           // those that are generated
  std::map<std::string, tensor::HostTensor> outputs;
};

// An answer agrees where each |got - want| is at most atol + rtol * |want|.
struct GoldenRows {
  double rtol = 0.01;
  double atol = 0.001;
  std::vector<GoldenRow> rows;
};

struct Passport {
  std::optional<PassportSignature> signature;
  model::Provenance provenance;
  GoldenRows golden;
  // Fields that this server does not know and ignores: "saved.host". The first ones.
  std::vector<std::string> unknown_fields;
};

// The text as a tree, within the limits of limits.h. INVALID_ARGUMENT.
absl::StatusOr<checkpoint::JsonValue> ParsePassportJson(std::string_view text);

// What the tree says. INVALID_ARGUMENT: another format, a field of another kind, a value out of its range, a golden row
// that contradicts the signature; the message has the field's path, the value and what was expected.
// FAILED_PRECONDITION for a version that this server does not know. Pure.
absl::StatusOr<Passport> ReadPassport(const checkpoint::JsonValue& tree);

// Both.
absl::StatusOr<Passport> ParsePassport(std::string_view text);

// Adds to `into` the fields that `from` alone has, at any depth of objects; lists are fields as a whole. Gives the path
// of the first field that both have and do not have alike, with the values of `into` and of `from`:
// `signature.max_batch_size is 8 and 64`; empty where there is none. The order of members does not count. Both are
// documents of ParsePassportJson; the limits of ReadPassport hold for what comes of them.
std::string MergePassport(const checkpoint::JsonValue& from, checkpoint::JsonValue& into);

}  // namespace torchferry::plan
