// The effect of each field of `inference.ModelConfig`; no other code states it. server/config/field_check.cc acts on
// this table. A test compares it with the descriptor: every field has a row.
#pragma once

#include <span>
#include <string_view>

namespace torchferry::config {

enum class FieldEffect {
  kHonoured,
  kIgnored,  // accepted, with a warning that gives the reason
  kRefused,  // an error that gives the reason
};

// A row that is ignored or refused covers everything inside the field. For a message that is honoured, each field has
// its own row. Maps have one row.
struct FieldRule {
  std::string_view path;  // "input.reshape.shape"
  FieldEffect effect;
  std::string_view reason;  // empty when honoured; else why, and what to do instead
};

std::span<const FieldRule> FieldTable();

// The row of exactly that path; null where none has it.
const FieldRule* FindFieldRule(std::string_view path);

}  // namespace torchferry::config
