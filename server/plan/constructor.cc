#include "server/plan/constructor.h"

#include <algorithm>
#include <set>
#include <utility>

#include "server/base/status.h"
#include "server/checkpoint/display.h"
#include "server/plan/interpreter.h"
#include "server/plan/layer_limits.h"

namespace torchferry::plan {
namespace {

// Words behind a point in the functions of `file` that are called so, and in those that they lead to.
std::vector<std::string> ReachableNames(const PythonFile& file) {
  std::multimap<std::string_view, const FunctionSource*> functions;
  const auto add = [&](const std::map<std::string, FunctionSource, std::less<>>& some) {
    for (const auto& [name, function] : some) {
      if (name != "__init__") functions.emplace(name, &function);
    }
  };
  add(file.functions);
  for (const auto& [name, type] : file.classes) add(type.functions);
  std::set<std::string, std::less<>> reached = {"forward"};
  std::vector<std::string> to_visit = {"forward"};
  while (!to_visit.empty()) {
    const std::string name = std::move(to_visit.back());
    to_visit.pop_back();
    const auto [begin, end] = functions.equal_range(name);
    for (auto it = begin; it != end; ++it) {
      for (size_t at = it->second->tokens.begin; at < it->second->tokens.end; ++at) {
        const ScriptToken& token = file.tokens[at];
        const bool is_member = at > 0 && file.tokens[at - 1].text == ".";
        if (!is_member || token.kind != ScriptTokenKind::kWord || !functions.contains(token.text)) continue;
        if (reached.insert(std::string(token.text)).second) to_visit.emplace_back(token.text);
      }
    }
  }
  return {reached.begin(), reached.end()};
}

absl::Status Error(const PythonFile& file, std::string_view message) {
  return base::MakeStatus(absl::StatusCode::kInvalidArgument, "{}: {}", file.name, message);
}

// The last constant that is a module of a class of the file.
const ModuleNode* ModuleOfConstants(const ModuleTree& tree, const PythonFile& file) {
  const ModuleNode* last = nullptr;
  for (const TokenRange tokens : file.assignments) {
    const auto found = tree.constants.find(std::string(file.tokens[tokens.begin].text));
    if (found != tree.constants.end() && found->second.Is(ValueKind::kModule)) last = found->second.module;
  }
  return last;
}

// The only class that has a forward and that no constructor uses.
absl::StatusOr<const ClassSource*> ChooseClass(const PythonFile& file) {
  std::set<std::string_view> used;
  const auto use = [&](TokenRange range) {
    for (size_t at = std::max<size_t>(range.begin, 2); at < range.end; ++at) {
      const std::string_view before = file.tokens[at - 1].text;
      const bool is_in_super = before == "(" && file.tokens[at - 2].text == "super";
      if (file.tokens[at].kind == ScriptTokenKind::kWord && before != "." && !is_in_super &&
          file.classes.contains(file.tokens[at].text)) {
        used.insert(file.tokens[at].text);
      }
    }
  };
  for (const auto& [name, function] : file.functions) use(function.tokens);
  for (const auto& [name, type] : file.classes) {
    use(type.bases);
    for (const auto& [method, function] : type.functions) use(function.tokens);
    for (const TokenRange tokens : type.assignments) use(tokens);
  }
  std::vector<std::string> candidates;
  for (const std::string& name : file.class_order) {
    if (!used.contains(name) && file.classes.find(name)->second.functions.contains("forward"))
      candidates.push_back(name);
  }
  if (candidates.size() == 1) return &file.classes.find(candidates[0])->second;
  if (candidates.empty() && file.classes.size() == 1) return &file.classes.begin()->second;
  return Error(file,
               fmt::format("which class is the model cannot be told: {}; write `model = NAME(…)` at the end, with "
                           "the arguments that it was trained with",
                           candidates.empty() ? "each is used by another, or has no forward"
                                              : checkpoint::Listed(candidates) + " are used by no other"));
}

absl::Status Build(const std::shared_ptr<const PythonFile>& file, ModuleTree& tree) {
  tree.file = file;
  if (file->assignments.size() > layer_limits::kMaxConstants) {
    return Error(*file, fmt::format("has more than {} constants at the top level", layer_limits::kMaxConstants));
  }
  Interpreter interpreter(tree);
  for (const TokenRange tokens : file->assignments) {
    interpreter.RunConstant(*file, tokens);
    if (!interpreter.ok() && file->tokens[tokens.begin].text == "model") return interpreter.status();
    interpreter.Forgive();  // what only training needs may be anything
    FERRY_RETURN_IF_ERROR(interpreter.status());
  }
  const bool has_own_forward =
      file->functions.contains("forward") && file->functions.find("forward")->second.takes_self;
  if (has_own_forward) {
    ModuleNode& root = interpreter.NewModule();
    root.spelled = "self";
    tree.root = &root;
    if (const auto constructor = file->functions.find("__init__"); constructor != file->functions.end()) {
      interpreter.CallFunction(constructor->second, &root, {});
    }
    return interpreter.status();
  }
  tree.root = ModuleOfConstants(tree, *file);
  if (tree.root != nullptr) return absl::OkStatus();
  FERRY_ASSIGN_OR_RETURN(const ClassSource* type, ChooseClass(*file));
  const PlanValue model = interpreter.Construct(*type, {}, type->name + "()");
  if (!interpreter.ok()) {
    return base::MakeStatus(interpreter.status().code(), "{}{}", base::MessageOf(interpreter.status()),
                            interpreter.status().message().find(" needs ") != absl::string_view::npos
                                ? fmt::format(", or `model = {}(…)` at the end of the file", type->name)
                                : "");
  }
  tree.root = model.module;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModuleTree>> RunConstructors(const std::shared_ptr<const PythonFile>& file) {
  auto tree = std::make_unique<ModuleTree>();
  FERRY_RETURN_IF_ERROR(Build(file, *tree));
  tree->reachable = ReachableNames(*file);
  return tree;
}

std::unique_ptr<ModuleTree> ConstructAgain(const ModuleNode& layer,
                                           const std::map<std::string, PlanValue, std::less<>>& arguments) {
  auto tree = std::make_unique<ModuleTree>();
  Interpreter interpreter(*tree, layer_limits::kMaxStepsOfTrial);
  CallArguments given;
  for (const auto& [name, value] : arguments) given.named.emplace_back(name, value);
  const PlanValue module = interpreter.Construct(*layer.types[0], std::move(given), "");
  if (!interpreter.ok()) return nullptr;
  tree->root = module.module;
  return tree;
}

}  // namespace torchferry::plan
