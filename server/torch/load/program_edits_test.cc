// Programs that are not as PyTorch wrote them: each converts or is refused, and what converts runs or raises.
//
// TORCHFERRY_PROGRAM_EDITS: how many programs are made (300); a campaign takes ten thousands, with the sanitizers.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "server/base/status.h"
#include "server/checkpoint/exported_program.h"
#include "server/checkpoint/test_zip.h"
#include "server/checkpoint/zip.h"
#include "server/torch/graph/model_code.h"
#include "server/torch/graph/reachable_graph.h"
#include "server/torch/load/state_dict.h"
#include "server/torch/program/program_module.h"

namespace torchferry::libtorch {
namespace {

using Json = nlohmann::json;

constexpr int kUsualEdits = 300;
constexpr char kGraphEntry[] = "models/model.json";
constexpr char kWeightsEntry[] = "data/weights/model_weights_config.json";

std::string Fixture() {
  const char* root = std::getenv("TORCHFERRY_SOURCE_DIR");
  const std::filesystem::path path = std::filesystem::path(root == nullptr ? "." : root) / "tests/fixtures/programs";
  std::ifstream in(path / "edits.pt2", std::ios::binary);
  std::stringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

// Every value of the document, and every text in it.
void Collect(Json& value, std::vector<Json*>& values, std::vector<std::string>& texts) {
  values.push_back(&value);
  if (value.is_string()) texts.push_back(value.get<std::string>());
  if (!value.is_structured()) return;
  for (Json& inner : value) Collect(inner, values, texts);
}

class Editor {
 public:
  explicit Editor(uint32_t seed) : random_(seed) {}

  Json Edit(Json document) {
    const int edits = 1 + Below(3);
    for (int i = 0; i < edits; ++i) EditOnce(document);
    return document;
  }

 private:
  int Below(size_t limit) { return static_cast<int>(std::uniform_int_distribution<size_t>(0, limit - 1)(random_)); }

  void EditOnce(Json& document) {
    std::vector<Json*> values;
    std::vector<std::string> texts;
    Collect(document, values, texts);
    Json& value = *values[static_cast<size_t>(Below(values.size()))];
    const Json other = *values[static_cast<size_t>(Below(values.size()))];
    switch (Below(6)) {
      case 0:
        value = other;
        break;
      case 1:
        if (value.is_array() && !value.empty()) value.erase(static_cast<size_t>(Below(value.size())));
        if (value.is_object() && !value.empty()) value.erase(std::next(value.begin(), Below(value.size())));
        break;
      case 2:
        if (value.is_array()) value.insert(value.begin() + Below(value.size() + 1), other);
        if (value.is_string()) value = texts[static_cast<size_t>(Below(texts.size()))];
        break;
      case 3: {
        const std::array<Json, 7> numbers = {0,
                                             -1,
                                             1,
                                             std::numeric_limits<int64_t>::max(),
                                             std::numeric_limits<int64_t>::min(),
                                             1e300,
                                             int64_t{1} << 40};
        if (value.is_number()) value = numbers[static_cast<size_t>(Below(numbers.size()))];
        break;
      }
      case 4:
        if (value.is_array() && value.size() > 1) {
          std::swap(value[static_cast<size_t>(Below(value.size()))], value[static_cast<size_t>(Below(value.size()))]);
        }
        break;
      default:
        if (value.is_string()) value = OneOf();
        break;
    }
  }

  std::string OneOf() {
    const std::array<const char*, 8> texts = {"torch.ops.aten.save.default",       "torch.ops.prim.Print.default",
                                              "torch.ops.aten.from_file.default",  "torch.ops.aten.set_.source_Tensor",
                                              "torch.ops.aten.as_strided.default", "_operator.floordiv",
                                              "torch.ops.higher_order.cond",       ""};
    return texts[static_cast<size_t>(Below(texts.size()))];
  }

  std::mt19937 random_;
};

// The fixture's archive with these two entries replaced.
std::shared_ptr<const checkpoint::File> Archive(const checkpoint::ZipArchive& original, const Json& graph,
                                                const Json& weights) {
  checkpoint::testing::ZipBuilder builder;
  for (const checkpoint::ZipEntry& entry : original.entries()) {
    std::string bytes = original.ReadString(entry, uint64_t{1} << 20).value();
    if (entry.name == kGraphEntry) bytes = graph.dump(-1, ' ', false, Json::error_handler_t::replace);
    if (entry.name == kWeightsEntry) bytes = weights.dump(-1, ' ', false, Json::error_handler_t::replace);
    builder.Add("edits/" + entry.name, bytes);
  }
  return checkpoint::File::FromBytes(builder.Build(), "m/1/model.pt2");
}

bool HasLoop(const torch::jit::Module& module) {
  bool has_loop = false;
  ForEachNode(module.get_method("forward").graph()->block(),
              [&](const torch::jit::Node* node) { has_loop |= node->kind() == c10::prim::Loop; });
  return has_loop;
}

// Sizes that a file may state make a program ask for any amount of memory; the allocator refuses that.
void RunOnce(torch::jit::Module module) {
  const at::NoGradGuard no_grad;
  std::vector<c10::IValue> inputs;
  const auto& arguments = module.get_method("forward").function().getSchema().arguments();
  for (size_t i = 1; i < arguments.size(); ++i) {
    const bool is_int = arguments[i].type()->kind() == c10::TypeKind::IntType;
    inputs.push_back(is_int ? c10::IValue(int64_t{2})
                            : c10::IValue(at::ones(i == 1 ? at::IntArrayRef({2, 2, 5, 5}) : at::IntArrayRef({}))));
  }
  try {
    module.forward(std::move(inputs));
  } catch (const std::exception&) {  // the model raised
  }
}

struct Counts {
  int read = 0;
  int converted = 0;
  int allowed = 0;
};

void Try(const std::shared_ptr<const checkpoint::File>& file, Counts& counts) {
  const auto program = checkpoint::ReadExportedProgram(file, "");
  if (!program.ok()) return;
  ++counts.read;
  std::vector<std::string> keys;
  for (const checkpoint::TensorInfo& tensor : program->weights->tensors()) keys.push_back(tensor.key);
  const auto tensors = ReadTensors(*program->weights, keys);
  if (!tensors.ok()) return;
  const auto module = ModuleFromKeys(*tensors, {});
  if (!module.ok()) return;
  std::vector<size_t> results;
  for (size_t i = 0; i < program->outputs.size(); ++i) {
    const checkpoint::ProgramOutput& output = program->outputs[i];
    const bool is_given = output.value.kind != checkpoint::GraphArgument::Kind::kNone;
    if (output.kind == checkpoint::ProgramOutput::Kind::kUser && is_given) results.push_back(i);
  }
  const auto made = ModuleFromProgram(*program, results, *module);
  if (!made.ok()) {
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument) << made.status();
    return;
  }
  ++counts.converted;
  if (!CheckModelCode(*made).ok()) return;
  ++counts.allowed;
  if (!HasLoop(*made)) RunOnce(*made);
}

TEST(ProgramEditsTest, EachConvertsOrIsRefused) {
  const char* wanted = std::getenv("TORCHFERRY_PROGRAM_EDITS");
  const int edits = wanted == nullptr ? kUsualEdits : std::atoi(wanted);
  const auto archive = checkpoint::ZipArchive::Open(checkpoint::File::FromBytes(Fixture(), "edits.pt2"));
  ASSERT_TRUE(archive.ok()) << archive.status();
  const auto document = [&](const char* name) {
    const checkpoint::ZipEntry* entry = (*archive)->Find(name);
    return Json::parse((*archive)->ReadString(*entry, uint64_t{1} << 20).value());
  };
  const Json graph = document(kGraphEntry);
  const Json weights = document(kWeightsEntry);
  Counts original;
  Try(Archive(**archive, graph, weights), original);
  ASSERT_EQ(original.allowed, 1);
  Counts counts;
  for (int i = 0; i < edits; ++i) {
    Editor editor(static_cast<uint32_t>(i));
    const bool edits_weights = i % 8 == 0;
    Try(Archive(**archive, edits_weights ? graph : editor.Edit(graph), edits_weights ? editor.Edit(weights) : weights),
        counts);
  }
  RecordProperty("read", counts.read);
  RecordProperty("converted", counts.converted);
  // Most edits hit what the reader checks; the converter and the code it makes must have been met, too.
  EXPECT_GT(counts.read, edits / 20);
  EXPECT_GT(counts.converted, edits / 50);
}

}  // namespace
}  // namespace torchferry::libtorch
