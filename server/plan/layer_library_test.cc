// The layers that are known here have the parameters that PyTorch's have: tests/fixtures/layers/signatures.json is of
// PyTorch 2.11.
#include "server/plan/layer_library.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "server/plan/python_parser.h"
#include "server/plan/value_operators.h"

namespace torchferry::plan {
namespace {

nlohmann::json Signatures() {
  const char* source = std::getenv("TORCHFERRY_SOURCE_DIR");
  const std::filesystem::path here = std::filesystem::path(source == nullptr ? "." : source) / "tests/fixtures/layers";
  std::ifstream file(here / "signatures.json");
  return nlohmann::json::parse(file);
}

// 1e-5 is 1e-05, 'zeros' is "zeros"; a function is its name.
std::string Normal(std::string text) {
  if (const auto number = NumberOf(text); number.has_value()) {
    return number->Is(ValueKind::kFloat) ? std::to_string(number->real * 1e6) : std::to_string(number->integer);
  }
  if (text.starts_with('\'') || text.starts_with('"')) return TextOf(text);
  return text.substr(text.rfind('.') == std::string::npos ? 0 : text.rfind('.') + 1);
}

std::string DefaultOf(const Parameter& parameter) {
  const Expr& value = parameter.value;
  return Normal(std::string(value.at, static_cast<size_t>(value.end - value.at)));
}

TEST(LayerLibraryTest, ParametersNamesOrderAndDefaultsArePyTorchs) {
  const nlohmann::json signatures = Signatures();
  size_t compared = 0;
  for (const auto& [name, type] : LayerLibrary().classes) {
    const auto constructor = type.functions.find("__init__");
    const absl::StatusOr<std::vector<Expr>> bases = ParseExpressions(*type.file, type.bases);
    ASSERT_TRUE(bases.ok()) << bases.status();
    if (name.starts_with('_')) continue;
    ASSERT_TRUE(signatures.contains(name)) << name;
    ASSERT_NE(constructor, type.functions.end()) << name;
    const absl::StatusOr<ParsedFunction> parsed = ParseFunction(constructor->second);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    const nlohmann::json& wanted = signatures[name];
    const bool is_open = !wanted.empty() && wanted[0][0] == "VAR_POSITIONAL";  // Python's signature says nothing
    if (is_open) continue;
    ++compared;
    ASSERT_EQ(parsed->parameters.size(), wanted.size() + 1) << name;
    for (size_t i = 0; i < wanted.size(); ++i) {
      const Parameter& parameter = parsed->parameters[i + 1];
      EXPECT_EQ(parameter.name, wanted[i][1].get<std::string>()) << name;
      EXPECT_EQ(parameter.has_default, !wanted[i][2].is_null()) << name << " " << parameter.name;
      if (!parameter.has_default || wanted[i][2].is_null()) continue;
      EXPECT_EQ(DefaultOf(parameter), Normal(wanted[i][2].get<std::string>())) << name << " " << parameter.name;
    }
  }
  EXPECT_GT(compared, 90u);
}

}  // namespace
}  // namespace torchferry::plan
