// A model's passport: the facts that were written when it was saved. It is a JSON text of the format
// "torchferry-passport", version 1. It has the signature for clients, the model's origin, and golden rows with the
// model's answers at that time. Anyone may have written the file: its statements are checked against config, program
// and code, and never trusted.
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

// Tensors by name, with the rows if there are any. They own their bytes. An input is stored or generated.
struct GoldenRow {
  std::map<std::string, tensor::HostTensor> inputs;  // those that are stored
  std::map<std::string, GoldenFill> fills;           // those that are generated
  std::map<std::string, tensor::HostTensor> outputs;
};

// An answer agrees where each |got - want| <= atol + rtol * |want|.
struct GoldenRows {
  double rtol = 0.01;
  double atol = 0.001;
  std::vector<GoldenRow> rows;
};

struct Passport {
  std::optional<PassportSignature> signature;
  model::Provenance provenance;
  GoldenRows golden;
  // Fields that this server does not know and ignores: "saved.host". Only the first ones are kept.
  std::vector<std::string> unknown_fields;
};

// Parses the text to a tree. INVALID_ARGUMENT: no JSON, or above a limit of limits.h.
absl::StatusOr<checkpoint::JsonValue> ParsePassportJson(std::string_view text);

// Reads the tree. INVALID_ARGUMENT: another format, a field of another kind, a value out of its range, or a golden row
// that contradicts the signature. The message has the field's path, the value and what was expected.
// FAILED_PRECONDITION: a version that this server does not know. Pure.
absl::StatusOr<Passport> ReadPassport(const checkpoint::JsonValue& tree);

// ParsePassportJson, then ReadPassport.
absl::StatusOr<Passport> ParsePassport(std::string_view text);

// Adds to `into` the fields that `from` alone has, at any depth of objects; a list is one field. Returns the path of
// the first field that differs, with the values of `into` and of `from`: `signature.max_batch_size is 8 and 64`. Empty
// where no field differs. The order of members does not count. Both are documents of ParsePassportJson; ReadPassport
// checks its limits on the result.
std::string MergePassport(const checkpoint::JsonValue& from, checkpoint::JsonValue& into);

}  // namespace torchferry::plan
