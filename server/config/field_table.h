// What becomes of each field of `inference.ModelConfig`: the one place that says it.
// server/config/field_check.cc acts on it, and a test holds it against the descriptor: no field is
// without a row.
#pragma once

#include <span>
#include <string_view>

namespace torchferry::config {

enum class FieldEffect {
  kHonoured,
  kIgnored,  // accepted, with a warning that gives the reason
  kRefused,  // an error that gives the reason
};

// A row that is ignored or refused stands for everything inside the field; of a honoured message
// each field has a row of its own. Maps have one row.
struct FieldRule {
  std::string_view path;  // "input.reshape.shape"
  FieldEffect effect;
  std::string_view reason;  // empty when honoured; else why, and what to do instead
};

std::span<const FieldRule> FieldTable();

// The row of exactly that path, or null.
const FieldRule* FindFieldRule(std::string_view path);

}  // namespace torchferry::config
